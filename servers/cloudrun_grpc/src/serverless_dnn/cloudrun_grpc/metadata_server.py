"""Queries the platform's metadata server about this instance, with a short timeout because there may be none.

https://cloud.google.com/run/docs/container-contract#metadata-server
"""

import os
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

_HOST = "metadata.google.internal"
_PATHS = {"instance_id": "instance/id", "project": "project/project-id"}
_TIMEOUT_S = 0.3
# Identifiers are short; anything longer is not a valid response.
_MAX_BYTES = 1024


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
    # Imported in this thread while models load: it takes 8 ms, and is only needed on a platform.
    import http.client

    connection = http.client.HTTPConnection(host, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", f"/computeMetadata/v1/{path}", headers={"Metadata-Flavor": "Google"})
        response = connection.getresponse()
        text = response.read(_MAX_BYTES).decode("ascii").strip()
        # A different server at this address would not return the header.
        genuine = response.status == 200 and response.headers.get("Metadata-Flavor") == "Google"
        return text if genuine and text.isprintable() else None
    except (OSError, http.client.HTTPException, UnicodeDecodeError):
        return None
    finally:
        connection.close()
