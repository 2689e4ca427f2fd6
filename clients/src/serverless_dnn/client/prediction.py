"""What a call returns: arrays, and where its time went on both sides."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class ServerTiming:
    """What the server says it spent.

    Attributes:
        phases_ms: Durations in milliseconds by phase: ``decode``, ``queue``, ``compute``, ``encode``, ``total``; an
            instance's first answer adds ``cold``, ``import``, ``load``, ``warmup``. A phase it did not tell is absent.
        instance: The instance's id; empty when not told.
        engine: What ran the model; told with an instance's first answer, else empty.
    """

    phases_ms: Mapping[str, float]
    instance: str = ""
    engine: str = ""

    @property
    def is_cold(self) -> bool:
        """Whether this was the instance's first answer."""
        return "cold" in self.phases_ms


@dataclass(frozen=True)
class Timing:
    """Where the time of one call went, by this client's monotonic clock.

    Attributes:
        encode_ns: Arrays to bytes.
        wait_ns: From handing the bytes over to having the answer's bytes.
        decode_ns: Bytes to arrays.
        total_ns: The whole call, end to end.
        bytes_sent: The message's or body's size.
        bytes_received: Likewise.
        server: What the server spent; ``None`` when it did not say.
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
            stamps_ns: At the call's begin, with its bytes ready, with the answer's bytes there, at its end.
            bytes_sent: The message's or body's size.
            bytes_received: Likewise.
            server: What the server spent; ``None`` when it did not say.

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
    """An answer.

    Attributes:
        outputs: Arrays by output name.
        timing: Where the time went.
        model_version: The version that answered; ``None`` when not told.
    """

    outputs: Mapping[str, NDArray[Any]]
    timing: Timing
    model_version: int | None = None


class Client(Protocol):
    """What every client does; each is also a context manager that closes it."""

    def predict(self, inputs: Mapping[str, ArrayLike], *, timeout_s: float | None = None) -> Prediction:
        """Run the model once.

        Args:
            inputs: Arrays by input name.
            timeout_s: How long to wait for the answer; ``None`` takes the client's.

        Returns:
            The answer.

        Raises:
            ClientError: See ``serverless_dnn.client.errors``.
        """
        ...

    def close(self) -> None:
        """Close the connection; no call may follow."""
        ...

    def __enter__(self) -> Self:
        """Return the client."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the client."""
        ...
