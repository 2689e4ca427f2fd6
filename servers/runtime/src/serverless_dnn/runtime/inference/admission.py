"""Admission control: limits on concurrency and memory, and no new requests while draining.

All protocols of a server share one admission. A request holds its slot until its response is made.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from serverless_dnn.protos.budget import DecodeBudget
from serverless_dnn.runtime.deadline import Deadline
from serverless_dnn.runtime.errors import DeadlineExceededError, ResourceExhaustedError, UnavailableError
from serverless_dnn.runtime.timing import PhaseTimer

_LARGE_BYTES = 1 << 20


class Admission:
    """Counts the requests of one server; thread-safe.

    Args:
        concurrency: The maximum number of requests running or waiting at once; ``None`` leaves the limit to the caller.
        memory_bytes: How much memory they may use together; a request on its own is never rejected for its size.
        max_bytes: How much memory one request may use for its arrays.

    Attributes:
        accepted: The number of requests admitted.
        answered: The number of those that have finished.
    """

    def __init__(self, *, concurrency: int | None = None, memory_bytes: int | None = None, max_bytes: int) -> None:
        self._concurrency = concurrency
        self._memory_bytes = memory_bytes
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._large_text = threading.Semaphore()
        self._taken_bytes = 0
        self._draining = False
        self._last_refused_ns = 0
        self.accepted = 0
        self.answered = 0

    @property
    def in_work(self) -> int:
        """The number of requests in flight."""
        return self.accepted - self.answered

    @property
    def draining(self) -> bool:
        """Whether new requests are rejected because the server is stopping."""
        return self._draining

    def admit(self, body_bytes: int) -> "Place":
        """Admit a request.

        Args:
            body_bytes: The size of its body.

        Returns:
            The slot, to be released.

        Raises:
            UnavailableError: The server is draining.
            ResourceExhaustedError: No slot is free, or there is no memory for the body.
        """
        with self._lock:
            if self._draining:
                self._last_refused_ns = time.perf_counter_ns()
                raise UnavailableError("this instance is shutting down: send the request to another")
            if self._concurrency is not None and self.in_work >= self._concurrency:
                raise ResourceExhaustedError(
                    f"{self.in_work} requests are running or waiting, as many as this instance allows at once"
                )
            self._take(body_bytes, own_bytes=0)
            self.accepted += 1
        return Place(self, DecodeLimit(self, self._max_bytes, body_bytes))

    def take(self, size_bytes: int, own_bytes: int) -> None:
        """Reserve memory for an admitted request.

        Args:
            size_bytes: How much to reserve.
            own_bytes: How much it holds already.

        Raises:
            ResourceExhaustedError: The requests in flight hold too much.
        """
        with self._lock:
            self._take(size_bytes, own_bytes)

    def give_back(self, size_bytes: int) -> None:
        """Note that a request has finished.

        Args:
            size_bytes: How much memory it held.
        """
        with self._lock:
            self._taken_bytes -= size_bytes
            self.answered += 1

    @contextmanager
    def alone_if_large(self, size_bytes: int, timer: PhaseTimer, deadline: Deadline) -> Iterator[None]:
        """Parse or print large texts one at a time: in parallel they are no faster, and probes would wait for both.

        Args:
            size_bytes: The size of the text.
            timer: Records the time spent waiting (``queue``).
            deadline: How long to wait.

        Raises:
            DeadlineExceededError: Others took too long.
        """
        if size_bytes < _LARGE_BYTES:
            yield
            return
        begin_ns = time.perf_counter_ns()
        is_free = self._large_text.acquire(timeout=deadline.left_s())
        timer.add("queue", time.perf_counter_ns() - begin_ns)
        if not is_free:
            raise DeadlineExceededError("the deadline passed while waiting for other large texts")
        try:
            yield
        finally:
            self._large_text.release()

    def refuse_new(self) -> None:
        """Reject every request from now on."""
        with self._lock:
            self._draining = True
            self._last_refused_ns = time.perf_counter_ns()

    def quiet_s(self) -> float:
        """Seconds since the last rejected request if none is in flight; 0 while one is."""
        with self._lock:
            return 0.0 if self.in_work else (time.perf_counter_ns() - self._last_refused_ns) / 1e9

    def _take(self, size_bytes: int, own_bytes: int) -> None:
        others_bytes = self._taken_bytes - own_bytes
        if self._memory_bytes is not None and others_bytes > 0 and self._taken_bytes + size_bytes > self._memory_bytes:
            raise ResourceExhaustedError(
                f"the requests in flight hold {self._taken_bytes >> 20} MiB of the {self._memory_bytes >> 20} MiB that "
                "this instance has for them: try again later"
            )
        self._taken_bytes += size_bytes


class DecodeLimit(DecodeBudget):
    """One request's memory budget, charged against the server's total.

    Args:
        admission: Counts all requests.
        max_bytes: How much this one may use for its arrays.
        held_bytes: How much it holds already: its body.
    """

    __slots__ = ("_admission", "held_bytes")

    def __init__(self, admission: Admission, max_bytes: int, held_bytes: int) -> None:
        super().__init__(max_bytes)
        self._admission = admission
        self.held_bytes = held_bytes

    def hold(self, size_bytes: int) -> None:
        """Reserve memory besides the arrays; see ``DecodeBudget.hold``.

        Raises:
            ResourceExhaustedError: The requests in flight hold too much.
        """
        self._admission.take(size_bytes, self.held_bytes)
        self.held_bytes += size_bytes


@dataclass
class Place:
    """A request's slot; a context manager that releases it.

    Attributes:
        admission: The admission that granted it.
        budget: The request's memory budget.
    """

    admission: Admission
    budget: DecodeLimit
    _released: bool = field(default=False)

    def release(self) -> None:
        """Release the slot and the memory; only the first call counts."""
        if not self._released:
            self._released = True
            self.admission.give_back(self.budget.held_bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
