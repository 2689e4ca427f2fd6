"""Queries the platform's metadata server about this instance, with a short timeout because there may be none.

https://cloud.google.com/run/docs/container-contract#metadata-server
"""

import os
import socket
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

_HOST = "metadata.google.internal"
_PORT = 80
_PATHS = {"instance_id": "instance/id", "project": "project/project-id"}
_TIMEOUT_S = 0.3
# Identifiers and headers are short; anything longer is not a valid response.
_MAX_BYTES = 4096


@dataclass(frozen=True)
class PlatformFacts:
    """Facts reported by the platform.

    Attributes:
        instance_id: Identifies this container instance.
        project: The project's id.
    """

    instance_id: str | None = None
    project: str | None = None


def ask_metadata_server(environment: Mapping[str, str] = os.environ) -> "Future[PlatformFacts]":
    """Query the metadata server in a thread while models load.

    Args:
        environment: ``K_SERVICE`` is set by Cloud Run and Knative; elsewhere nothing is queried. ``GCE_METADATA_HOST``
            overrides the host, as in Google's own libraries.

    Returns:
        The facts; those not received within the timeout are ``None``.
    """
    if not environment.get("K_SERVICE"):
        nothing: Future[PlatformFacts] = Future()
        nothing.set_result(PlatformFacts())
        return nothing
    host = environment.get("GCE_METADATA_HOST") or _HOST
    with_threads = ThreadPoolExecutor(1, "metadata")
    try:
        return with_threads.submit(lambda: PlatformFacts(**{name: _ask(host, path) for name, path in _PATHS.items()}))
    finally:
        with_threads.shutdown(wait=False)


def _ask(host: str, path: str) -> str | None:
    # By hand, and with a name that needs no encoding: http.client and its email parser take 16 ms of a cold start.
    name, _, port = host.partition(":")
    query = f"GET /computeMetadata/v1/{path} HTTP/1.0\r\nHost: {host}\r\nMetadata-Flavor: Google\r\n\r\n"
    try:
        address = (name.encode("ascii"), int(port or _PORT))
        with socket.create_connection(address, _TIMEOUT_S) as connection:  # type: ignore[arg-type] # bytes are fine
            connection.sendall(query.encode("ascii"))
            with connection.makefile("rb") as answer:
                head, _, body = answer.read(_MAX_BYTES).partition(b"\r\n\r\n")
        status, *headers = head.decode("ascii").lower().split("\r\n")
        lengths = [int(line.partition(":")[2]) for line in headers if line.startswith("content-length:")]
        text = body.decode("ascii").strip()
    except (OSError, ValueError):
        return None
    # A different server at this address would not return the header.
    genuine = status.split()[1:2] == ["200"] and "metadata-flavor: google" in headers
    is_whole = lengths in ([], [len(body)])
    return text if genuine and is_whole and text.isprintable() else None
