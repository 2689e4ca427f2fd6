"""Which calls run together, and when: the queue of a batching runner, without threads or clocks.

The parameters are TensorFlow Serving's (tensorflow/serving, tensorflow_serving/batching/README.md).
"""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from serverless_dnn.runtime.errors import InvalidArgumentError, ResourceExhaustedError

CallT = TypeVar("CallT")


@dataclass(frozen=True)
class BatchingOptions:
    """How calls are batched.

    Attributes:
        max_batch_size: The maximum rows per run; with large-batch splitting, the maximum rows per call.
        batch_timeout_micros: How long a partial batch waits for more calls, in microseconds. With 0 it only waits for a
            free thread, so calls accumulate exactly while the engine is busy.
        max_enqueued_batches: How many batches may wait; calls beyond that are rejected.
        num_batch_threads: How many batches run at once; ``None`` uses the engine's own concurrency.
        allowed_batch_sizes: Sizes that batches are padded to, in ascending order; empty allows all.
        pad_variable_length_inputs: Whether calls of different inner sizes run together, the smaller ones padded at
            the end of each dimension with their own first value.
        enable_large_batch_splitting: Whether a call with more rows than one run allows is split into several.
        max_execution_batch_size: The maximum rows per run when splitting; 0 means ``max_batch_size``.
    """

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int | None = None
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    enable_large_batch_splitting: bool = False
    max_execution_batch_size: int = 0

    def __post_init__(self) -> None:
        """Check the values against each other.

        Raises:
            InvalidArgumentError: They contradict each other; the message names them.
        """
        for name in ("max_batch_size", "max_enqueued_batches"):
            if getattr(self, name) < 1:
                raise InvalidArgumentError(f"batching: {name} must be at least 1, got {getattr(self, name)}")
        if self.num_batch_threads is not None and self.num_batch_threads < 1:
            raise InvalidArgumentError(f"batching: num_batch_threads must be at least 1, got {self.num_batch_threads}")
        if self.batch_timeout_micros < 0 or not 0 <= self.max_execution_batch_size <= self.max_batch_size:
            raise InvalidArgumentError(
                "batching: batch_timeout_micros must not be negative, and max_execution_batch_size must be between 0 "
                f"and max_batch_size, got {self.batch_timeout_micros} and {self.max_execution_batch_size}"
            )
        if self.max_execution_batch_size and not self.enable_large_batch_splitting:
            raise InvalidArgumentError("batching: max_execution_batch_size needs enable_large_batch_splitting")
        sizes = self.allowed_batch_sizes
        if sizes and (list(sizes) != sorted(set(sizes)) or sizes[0] < 1 or sizes[-1] != self.run_rows):
            raise InvalidArgumentError(
                "batching: allowed_batch_sizes must rise and end with the most rows of one run, "
                f"{self.run_rows}, got {list(sizes)}"
            )

    @property
    def run_rows(self) -> int:
        """The maximum rows per run."""
        return self.max_execution_batch_size or self.max_batch_size

    def filled_up(self, rows: int) -> int:
        """The padded size at which a batch runs.

        Args:
            rows: Its rows; at most ``run_rows``.

        Returns:
            The next allowed size.
        """
        return next((size for size in self.allowed_batch_sizes if size >= rows), rows)


@dataclass(frozen=True)
class Part(Generic[CallT]):
    """Rows of one call in one batch.

    Attributes:
        call: The call.
        begin: Its first row in this batch.
        end: The row after its last.
    """

    call: CallT
    begin: int
    end: int


@dataclass(eq=False)
class Batch(Generic[CallT]):
    """Calls that run together.

    Attributes:
        key: Their common key.
        opened_ns: When the first one arrived.
        parts: Their rows, in order of arrival.
        rows: How many rows there are in total.
    """

    key: Hashable
    opened_ns: int
    parts: list[Part[CallT]] = field(default_factory=list)
    rows: int = 0


class BatchQueue(Generic[CallT]):
    """Waiting batches, oldest first.

    Args:
        options: How calls are batched.
    """

    def __init__(self, options: BatchingOptions) -> None:
        self._options = options
        self._waiting: deque[Batch[CallT]] = deque()
        # The batch of each key that further calls may still join: always its last one.
        self._open: dict[Hashable, Batch[CallT]] = {}

    def __len__(self) -> int:
        """How many batches are waiting."""
        return len(self._waiting)

    def add(self, call: CallT, key: Hashable, rows: int, now_ns: int) -> int:
        """Put a call into the open batch of its key, or into new ones; either all of it or nothing.

        Args:
            call: The call.
            key: Calls with the same key run together.
            rows: Its rows, at least 1.
            now_ns: The current time.

        Returns:
            How many batches it went into.

        Raises:
            InvalidArgumentError: It has more rows than a call may have.
            ResourceExhaustedError: Too many batches are waiting.
        """
        options = self._options
        if rows > options.max_batch_size:
            raise InvalidArgumentError(
                f"Task size {rows} is larger than maximum input batch size {options.max_batch_size}"
            )
        batch = self._open.get(key)
        room = options.run_rows - batch.rows if batch is not None else 0
        if room < rows and not options.enable_large_batch_splitting:
            room = 0
        new_batches = -(-max(0, rows - room) // options.run_rows)
        if len(self._waiting) + new_batches > options.max_enqueued_batches:
            raise ResourceExhaustedError(
                f"the batching queue is full: {len(self._waiting)} of {options.max_enqueued_batches} batches wait; "
                "try again later"
            )
        begin = min(room, rows)
        if batch is not None and begin:
            self._join(batch, Part(call, 0, begin))
        for first in range(begin, rows, options.run_rows):
            batch = self._open[key] = Batch(key, now_ns)
            self._waiting.append(batch)
            self._join(batch, Part(call, first, min(rows, first + options.run_rows)))
        return new_batches + (begin > 0)

    def take(self, now_ns: int, *, at_once: bool = False) -> Batch[CallT] | None:
        """Take the oldest batch that is full, closed, or has waited long enough.

        Args:
            now_ns: The current time.
            at_once: Take the oldest batch, ready or not.

        Returns:
            The batch; ``None`` if none is ready.
        """
        for batch in self._waiting:
            if at_once or self._ready_ns(batch) <= now_ns:
                self._waiting.remove(batch)
                if self._open.get(batch.key) is batch:
                    del self._open[batch.key]
                return batch
        return None

    def next_ready_ns(self) -> int | None:
        """When the next batch is ready; ``None`` if none is waiting."""
        return min((self._ready_ns(batch) for batch in self._waiting), default=None)

    def _join(self, batch: Batch[CallT], part: Part[CallT]) -> None:
        batch.parts.append(part)
        batch.rows += part.end - part.begin

    def _ready_ns(self, batch: Batch[CallT]) -> int:
        if batch.rows == self._options.run_rows or self._open.get(batch.key) is not batch:
            return batch.opened_ns
        return batch.opened_ns + self._options.batch_timeout_micros * 1000
