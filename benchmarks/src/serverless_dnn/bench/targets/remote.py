"""A target elsewhere: whatever ``serverless_dnn.client.connect`` takes a URL of."""

import time
from typing import Protocol
from urllib.parse import urlsplit

from serverless_dnn.bench.platforms import PLATFORMS
from serverless_dnn.bench.targets.base import TargetFacts
from serverless_dnn.client import ClientOptions
from serverless_dnn.client.connection import Place, place_of

_CONNECT_TIMEOUT_S = 30.0
_PLATFORM_OF_HOST = {".run.app": "cloudrun", ".on.aws": "lambda"}
_TITLES = {"grpc": "gRPC server", "rest": "REST server"}


class _Transport(Protocol):
    def connect(self, timeout_s: float) -> None: ...

    def close(self) -> None: ...


class RemoteTarget:
    """A server that is there already, on a platform or not; nothing is started, and nothing known but its URL.

    Args:
        url: See ``serverless_dnn.client.connect``.

    Attributes:
        facts: What the URL says about it.
        url: The URL.

    Raises:
        RequestError: The URL has none of the forms that ``connect`` takes.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.facts = _facts(place_of(url))

    def records(self) -> None:
        """Nothing: a server does not tell what its platform knows."""
        return

    def scale_to_zero(self) -> bool:
        """It cannot be done from here.

        Returns:
            False.
        """
        return False

    def stop(self) -> None:
        """Nothing was started."""


def connect_ns(url: str, timeout_s: float = _CONNECT_TIMEOUT_S) -> int | None:
    """Measure opening a connection as the client opens it: its name, TCP, TLS and HTTP/2's settings, where it has them.

    Args:
        url: See ``serverless_dnn.client.connect``.
        timeout_s: How long that may take.

    Returns:
        How long it took, in nanoseconds; ``None`` for AWS's own APIs, whose addresses are known to its SDK alone.

    Raises:
        ClientError: The URL has none of the forms that ``connect`` takes, or the connection cannot be made.
    """
    place = place_of(url)
    if place.kind == "grpc":
        from serverless_dnn.client.transports.grpc_channel import GrpcTransport
        from serverless_dnn.client.transports.grpc_common import GrpcTarget

        # Otherwise channels to the same server share a connection.
        options = ClientOptions(connect_timeout_s=timeout_s, channel_options=(("grpc.use_local_subchannel_pool", 1),))
        return _timed(GrpcTransport(GrpcTarget(place.target, place.secure), options), timeout_s)
    if not place.base_url:
        return None
    from serverless_dnn.client.transports.http_pool import HttpTransport

    return _timed(HttpTransport(place.base_url, ClientOptions()), timeout_s)


def _facts(place: Place) -> TargetFacts:
    server = place.target if place.kind == "grpc" else urlsplit(place.base_url).netloc
    name = place.target or server
    host = urlsplit(f"//{server}").hostname or ""
    is_any_host = place.kind in _TITLES
    known = next((each for suffix, each in _PLATFORM_OF_HOST.items() if is_any_host and host.endswith(suffix)), None)
    name_of_platform = known or place.kind
    platform = PLATFORMS.get(name_of_platform)
    return TargetFacts(
        platform=name_of_platform,
        title=f"{_TITLES[name_of_platform] if platform is None else platform.title}, {name}",
        customization="" if platform is None else platform.customization,
        protocol="gRPC" if place.kind == "grpc" else "REST",
        # Whatever its owner deployed.
        model_server="",
        # Also at a loopback address, which may be a tunnel's: it is nothing of this benchmark's.
        is_local=False,
    )


def _timed(transport: _Transport, timeout_s: float) -> int:
    try:
        begin_ns = time.perf_counter_ns()
        transport.connect(timeout_s)
        return time.perf_counter_ns() - begin_ns
    finally:
        transport.close()
