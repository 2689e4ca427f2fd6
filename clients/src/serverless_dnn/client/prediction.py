"""The result of a call: arrays, and where its time went on both sides."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

from numpy.typing import NDArray


@dataclass(frozen=True)
class ServerTiming:
    """The timing reported by the server.

    Attributes:
        phases_ms: Durations in milliseconds by phase: ``decode``, ``queue``, ``compute``, ``encode``, ``total``; an
            instance's first response adds ``cold``, ``import``, ``load``, ``warmup``. A phase it did not report is
            absent.
        instance: The instance's id; empty if not reported.
        engine: The engine that ran the model; reported in an instance's first response, otherwise empty.
    """

    phases_ms: Mapping[str, float]
    instance: str = ""
    engine: str = ""

    @property
    def is_cold(self) -> bool:
        """Whether this was the instance's first response."""
        return "cold" in self.phases_ms


@dataclass(frozen=True)
class Timing:
    """Where the time of one call went, by this client's monotonic clock.

    Attributes:
        encode_ns: Encoding arrays to bytes.
        wait_ns: From sending the request's bytes to receiving the response's.
        decode_ns: Decoding bytes to arrays.
        total_ns: The whole call, end to end.
        bytes_sent: The size of the request message or body.
        bytes_received: The size of the response message or body.
        server_text: The server's timing as it reported it; empty if it did not.
    """

    encode_ns: int
    wait_ns: int
    decode_ns: int
    total_ns: int
    bytes_sent: int
    bytes_received: int
    server_text: str = ""

    @cached_property
    def server(self) -> ServerTiming | None:
        """The server's timing, read when it is first asked for; ``None`` if not reported."""
        from serverless_dnn.client.wire.server_timing import parse_server_timing

        return parse_server_timing(self.server_text) if self.server_text else None

    @classmethod
    def between(
        cls,
        stamps_ns: tuple[int, int, int, int],
        *,
        bytes_sent: int,
        bytes_received: int,
        server_text: str,
    ) -> Self:
        """The durations between four readings of one monotonic clock.

        Args:
            stamps_ns: At the start of the call, with its bytes encoded, with the response received, and at its end.
            bytes_sent: The size of the request message or body.
            bytes_received: The size of the response message or body.
            server_text: The server's timing as it reported it; empty if it did not.

        Returns:
            The timing.
        """
        begin_ns, sent_ns, received_ns, end_ns = stamps_ns
        return cls(
            encode_ns=sent_ns - begin_ns,
            wait_ns=received_ns - sent_ns,
            decode_ns=end_ns - received_ns,
            total_ns=end_ns - begin_ns,
            bytes_sent=bytes_sent,
            bytes_received=bytes_received,
            server_text=server_text,
        )


@dataclass(frozen=True)
class RawResponse:
    """A response as it came, kept with ``ClientOptions(keep_response=True)``.

    Attributes:
        headers: HTTP headers in lower case, or gRPC's initial and trailing metadata.
        body: The bytes of the body or message.
    """

    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Prediction:
    """The result of ``predict``.

    Attributes:
        outputs: Arrays by output name. Arrays may be read-only views of the response; ``copy()`` makes them writable.
        timing: Where the time went.
        model: The model that answered.
        version: Its version; ``None`` if not reported.
        response: The response as it came, if it was to be kept.
    """

    outputs: Mapping[str, NDArray[Any]]
    timing: Timing
    model: str = ""
    version: int | None = None
    response: RawResponse | None = None
