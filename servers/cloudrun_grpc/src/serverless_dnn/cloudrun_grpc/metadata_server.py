"""What the platform's metadata server knows of this instance; asked with a short time-out, because it may not be there.

https://cloud.google.com/run/docs/container-contract#metadata-server
"""

import os
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

_HOST = "metadata.google.internal"
_PATHS = {"instance_id": "instance/id", "project": "project/project-id"}
_TIMEOUT_S = 0.3
# Identifiers are short; more is not what was asked for.
_MAX_BYTES = 1024


@dataclass(frozen=True)
class PlatformFacts:
    """What the platform says.

    Attributes:
        instance_id: Names this container instance.
        project: The project's id.
    """

    instance_id: str | None = None
    project: str | None = None


def ask_metadata_server(environment: Mapping[str, str] = os.environ) -> "Future[PlatformFacts]":
    """Ask in a thread, while models load.

    Args:
        environment: ``K_SERVICE`` is set by Cloud Run and Knative: nothing is asked elsewhere. ``GCE_METADATA_HOST``
            names another host, as Google's own libraries have it.

    Returns:
        The facts; what is not known within the time-out is ``None``.
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
    # In this thread, beside the loading of models: it takes 8 ms, and only where there is a platform to ask.
    import http.client

    connection = http.client.HTTPConnection(host, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", f"/computeMetadata/v1/{path}", headers={"Metadata-Flavor": "Google"})
        response = connection.getresponse()
        text = response.read(_MAX_BYTES).decode("ascii").strip()
        # Another server at this name would not send the header back.
        genuine = response.status == 200 and response.headers.get("Metadata-Flavor") == "Google"
        return text if genuine and text.isprintable() else None
    except (OSError, http.client.HTTPException, UnicodeDecodeError):
        return None
    finally:
        connection.close()
