"""The result of a call: arrays, and where its time went on both sides."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from numpy.typing import ArrayLike, NDArray


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
        server: The server's timing; ``None`` if not reported.
    """

    encode_ns: int
    wait_ns: int
    decode_ns: int
    total_ns: int
    bytes_sent: int
    bytes_received: int
    server: ServerTiming | None

    @classmethod
    def between(
        cls,
        stamps_ns: tuple[int, int, int, int],
        *,
        bytes_sent: int,
        bytes_received: int,
        server: ServerTiming | None,
    ) -> Self:
        """The durations between four readings of one monotonic clock.

        Args:
            stamps_ns: At the start of the call, with its bytes encoded, with the response received, and at its end.
            bytes_sent: The size of the request message or body.
            bytes_received: The size of the response message or body.
            server: The server's timing; ``None`` if not reported.

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
            server=server,
        )


@dataclass(frozen=True)
class Prediction:
    """The result of a call.

    Attributes:
        outputs: Arrays by output name.
        timing: Where the time went.
        model_version: The version that answered; ``None`` if not reported.
    """

    outputs: Mapping[str, NDArray[Any]]
    timing: Timing
    model_version: int | None = None


class Client(Protocol):
    """The interface of every client; each is also a context manager that closes itself."""

    def predict(self, inputs: Mapping[str, ArrayLike], *, timeout_s: float | None = None) -> Prediction:
        """Run the model once.

        Args:
            inputs: Arrays by input name.
            timeout_s: How long to wait for the response; ``None`` uses the client's default.

        Returns:
            The answer.

        Raises:
            ClientError: See ``serverless_dnn.client.errors``.
        """
        ...

    def close(self) -> None:
        """Close the connection; no further calls are allowed."""
        ...

    def __enter__(self) -> Self:
        """Return the client."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the client."""
        ...
