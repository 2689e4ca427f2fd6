"""Which requests a server takes: not more at once than it may, nor more than its memory holds, none while it drains.

One admission stands in front of all protocols of a server. A request holds its place until its answer is made.
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
    """Counts the requests of one server; any thread may ask it.

    Args:
        concurrency: The most requests running or waiting at once; ``None`` leaves that to the caller.
        memory_bytes: What they may take together; a request that is alone is never refused for its size.
        max_bytes: What one of them may take for its arrays.

    Attributes:
        accepted: Requests that were given a place.
        answered: Those of them that gave it back.
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
        """Requests that hold a place."""
        return self.accepted - self.answered

    @property
    def draining(self) -> bool:
        """Whether new requests are refused, because the server stops."""
        return self._draining

    def admit(self, body_bytes: int) -> "Place":
        """Give a request a place.

        Args:
            body_bytes: How large its body is.

        Returns:
            The place, to be released.

        Raises:
            UnavailableError: The server is draining.
            ResourceExhaustedError: There is no place, or no memory for the body.
        """
        with self._lock:
            if self._draining:
                self._last_refused_ns = time.perf_counter_ns()
                raise UnavailableError("this instance is shutting down: send the request to another")
            if self._concurrency is not None and self.in_work >= self._concurrency:
                raise ResourceExhaustedError(
                    f"{self.in_work} requests are running or waiting, as many as this instance takes at once"
                )
            self._take(body_bytes, own_bytes=0)
            self.accepted += 1
        return Place(self, DecodeLimit(self, self._max_bytes, body_bytes))

    def take(self, size_bytes: int, own_bytes: int) -> None:
        """Take memory for a request that has a place.

        Args:
            size_bytes: How much.
            own_bytes: What it holds already.

        Raises:
            ResourceExhaustedError: The requests in work hold too much.
        """
        with self._lock:
            self._take(size_bytes, own_bytes)

    def give_back(self, size_bytes: int) -> None:
        """Note that a request has its answer.

        Args:
            size_bytes: What it held.
        """
        with self._lock:
            self._taken_bytes -= size_bytes
            self.answered += 1

    @contextmanager
    def alone_if_large(self, size_bytes: int, timer: PhaseTimer, deadline: Deadline) -> Iterator[None]:
        """Read or print a large text alone: Python would do no two of them faster, and probes would wait for both.

        Args:
            size_bytes: How large it is.
            timer: Takes the time waited (``queue``).
            deadline: Until when to wait.

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
            raise DeadlineExceededError("the deadline passed before other large texts were read")
        try:
            yield
        finally:
            self._large_text.release()

    def refuse_new(self) -> None:
        """Refuse every request from now on."""
        with self._lock:
            self._draining = True
            self._last_refused_ns = time.perf_counter_ns()

    def quiet_s(self) -> float:
        """How long no request is in work and none came to be refused, in seconds; 0 while one is in work."""
        with self._lock:
            return 0.0 if self.in_work else (time.perf_counter_ns() - self._last_refused_ns) / 1e9

    def _take(self, size_bytes: int, own_bytes: int) -> None:
        others_bytes = self._taken_bytes - own_bytes
        if self._memory_bytes is not None and others_bytes > 0 and self._taken_bytes + size_bytes > self._memory_bytes:
            raise ResourceExhaustedError(
                f"the requests in work hold {self._taken_bytes >> 20} MiB of the {self._memory_bytes >> 20} MiB that "
                "this instance has for them: try again later"
            )
        self._taken_bytes += size_bytes


class DecodeLimit(DecodeBudget):
    """What one request may take, and takes from what all requests may take together.

    Args:
        admission: Counts all requests.
        max_bytes: What this one may take for its arrays.
        held_bytes: What it holds already: its body.
    """

    __slots__ = ("_admission", "held_bytes")

    def __init__(self, admission: Admission, max_bytes: int, held_bytes: int) -> None:
        super().__init__(max_bytes)
        self._admission = admission
        self.held_bytes = held_bytes

    def hold(self, size_bytes: int) -> None:
        """Take memory besides the arrays; see ``DecodeBudget.hold``.

        Raises:
            ResourceExhaustedError: The requests in work hold too much.
        """
        self._admission.take(size_bytes, self.held_bytes)
        self.held_bytes += size_bytes


@dataclass
class Place:
    """A request's place; a context that releases it.

    Attributes:
        admission: What gave it.
        budget: What the request may take.
    """

    admission: Admission
    budget: DecodeLimit
    _released: bool = field(default=False)

    def release(self) -> None:
        """Give the place and the memory back; only the first time counts."""
        if not self._released:
            self._released = True
            self.admission.give_back(self.budget.held_bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
