"""Dynamic batching: calls that wait at the same time run together, and each gets its own rows or error."""

import logging
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serverless_dnn.runtime.deadline import FOREVER, Deadline
from serverless_dnn.runtime.engines.base import LoadedModel
from serverless_dnn.runtime.errors import DeadlineExceededError, InvalidArgumentError, ServingError
from serverless_dnn.runtime.inference.batch_queue import Batch, BatchingOptions, BatchQueue, Part
from serverless_dnn.runtime.inference.runner import DirectRunner
from serverless_dnn.runtime.saved_model.signature import Signature
from serverless_dnn.runtime.timing import PhaseTimer

_log = logging.getLogger(__name__)

_Arrays = Mapping[str, NDArray[Any]]


@dataclass(eq=False)
class _Call:
    """A waiting call: its inputs and, once ``done`` is set, its result."""

    signature: Signature
    inputs: _Arrays
    rows: int
    deadline: Deadline
    parts_left: int = 0
    outputs: dict[int, dict[str, NDArray[Any]]] = field(default_factory=dict)
    error: Exception | None = None
    started_ns: int = 0
    finished_ns: int = 0
    done: threading.Event = field(default_factory=threading.Event)

    def begin(self, now_ns: int) -> None:
        self.started_ns = self.started_ns or now_ns

    def finish(self, begin: int, result: dict[str, NDArray[Any]] | Exception) -> None:
        """Record the result of the part that begins at a row; the first error fails the whole call."""
        if isinstance(result, Exception):
            self.error = self.error or result
        else:
            self.outputs[begin] = result
        self.finished_ns = time.perf_counter_ns()
        self.parts_left -= 1
        if not self.parts_left:
            self.done.set()


class BatchingRunner:
    """Runs calls in batches, on its own threads.

    Args:
        loaded: The model.
        options: How calls are batched.
    """

    def __init__(self, loaded: LoadedModel, options: BatchingOptions) -> None:
        self._loaded = loaded
        self._options = options
        self._direct = DirectRunner(loaded)
        self._queue: BatchQueue[_Call] = BatchQueue(options)
        self._changed = threading.Condition()
        self._retired = False
        self._told_direct: set[str] = set()
        for number in range(options.num_batch_threads or loaded.concurrency):
            threading.Thread(target=self._work, name=f"batch-{number}", daemon=True).start()

    def run(
        self, signature: Signature, inputs: _Arrays, timer: PhaseTimer, deadline: Deadline = FOREVER
    ) -> dict[str, NDArray[Any]]:
        """Run one call together with others; see ``Runner.run``.

        Raises:
            InvalidArgumentError: The inputs have different numbers of rows, or too many for one batch.
            ResourceExhaustedError: Too many batches are waiting.
            DeadlineExceededError: It did not get to run in time.
            ServingError: The engine rejected the call or failed.
        """
        if reason := why_not_batchable(signature):
            self._tell_direct(signature, reason)
            return self._direct.run(signature, inputs, timer, deadline)
        call = _Call(signature, inputs, _common_rows(inputs), deadline)
        if not call.rows:
            return self._direct.run(signature, inputs, timer, deadline)
        queued_ns = time.perf_counter_ns()
        with self._changed:
            retired = self._retired
            if not retired:
                # Set before a worker can see the call, which takes the lock held here.
                call.parts_left = self._queue.add(call, self._key(call), call.rows, queued_ns)
                # One worker per part: a split call must not wait for the first of its parts.
                self._changed.notify(call.parts_left)
        if retired:
            return self._direct.run(signature, inputs, timer, deadline)
        try:
            if not call.done.wait(deadline.left_s()):
                raise DeadlineExceededError(f"waited {(time.perf_counter_ns() - queued_ns) / 1e9:.3f} s for a batch")
        finally:
            timer.add("queue", (call.started_ns or time.perf_counter_ns()) - queued_ns)
        if call.finished_ns and call.started_ns:
            timer.add("compute", call.finished_ns - call.started_ns)
        if call.error is not None:
            raise call.error
        return _join(call.outputs)

    def retire(self) -> None:
        """Stop the threads once the queue is empty."""
        with self._changed:
            self._retired = True
            self._changed.notify_all()

    def _key(self, call: _Call) -> object:
        padded = self._options.pad_variable_length_inputs
        shapes = (array.ndim if padded else array.shape[1:] for _, array in sorted(call.inputs.items()))
        return call.signature.name, *shapes

    def _tell_direct(self, signature: Signature, reason: str) -> None:
        if signature.name not in self._told_direct:
            self._told_direct.add(signature.name)
            _log.warning("calls run one by one", extra={"signature": signature.name, "reason": reason})

    def _work(self) -> None:
        while (batch := self._next_batch()) is not None:
            self._run_batch(batch)

    def _next_batch(self) -> Batch[_Call] | None:
        """Wait for a batch; ``None`` if there will be no more."""
        with self._changed:
            while True:
                now_ns = time.perf_counter_ns()
                if (batch := self._queue.take(now_ns, at_once=self._retired)) is not None:
                    return batch
                if self._retired:
                    return None
                ready_ns = self._queue.next_ready_ns()
                self._changed.wait(None if ready_ns is None else (ready_ns - now_ns) / 1e9)

    def _run_batch(self, batch: Batch[_Call]) -> None:
        now_ns = time.perf_counter_ns()
        alive = []
        for part in batch.parts:
            try:
                part.call.deadline.check("a batch had room")
            except ServingError as error:
                self._finish(part, error)
            else:
                part.call.begin(now_ns)
                alive.append(part)
        if not alive:
            return
        try:
            for part, outputs in zip(alive, self._run_together(alive), strict=True):
                self._finish(part, outputs)
        except Exception as error:  # noqa: BLE001 - raised again in each caller's thread
            if len(alive) == 1:
                self._finish(alive[0], error)
            else:
                _log.info("a batch failed: its calls run one by one", extra={"calls": len(alive), "error": str(error)})
                for part in alive:
                    self._run_alone(part)

    def _run_alone(self, part: Part[_Call]) -> None:
        result: dict[str, NDArray[Any]] | Exception
        try:
            (result,) = self._run_together([part])
        except Exception as error:  # noqa: BLE001 - raised again in the caller's thread
            result = error
        self._finish(part, result)

    def _finish(self, part: Part[_Call], result: dict[str, NDArray[Any]] | Exception) -> None:
        # Two threads may hold parts of one call.
        with self._changed:
            part.call.finish(part.begin, result)

    def _run_together(self, parts: list[Part[_Call]]) -> list[dict[str, NDArray[Any]]]:
        rows = sum(part.end - part.begin for part in parts)
        size = self._options.filled_up(rows)
        inputs = {
            alias: _stack([part.call.inputs[alias][part.begin : part.end] for part in parts], size)
            for alias in parts[0].call.inputs
        }
        outputs = self._loaded.run(parts[0].call.signature, inputs, _latest(part.call.deadline for part in parts))
        if len(parts) == 1 and size == rows:
            return [outputs]
        for alias, array in outputs.items():
            if array.ndim == 0 or len(array) != size:
                raise InvalidArgumentError(
                    f"output {alias} has the shape {list(array.shape)} for {size} rows: this model cannot be batched"
                )
        pieces, first = [], 0
        for part in parts:
            last = first + part.end - part.begin
            pieces.append({alias: array[first:last] for alias, array in outputs.items()})
            first = last
        return pieces


def why_not_batchable(signature: Signature) -> str:
    """Why a signature's calls cannot be batched, judging by the signature alone.

    Args:
        signature: The signature.

    Returns:
        The reason; empty if every input and output has a free first dimension. A tensor of unknown rank may have no
        rows: an output that is always ``[1, 2]`` would be split between two calls.
    """
    for spec in (*signature.inputs.values(), *signature.outputs.values()):
        if not spec.shape or spec.shape[0] is not None:
            return f"{spec.name} has no free first dimension"
    return "" if signature.inputs else "there are no inputs"


def _latest(deadlines: Iterable[Deadline]) -> Deadline:
    """The deadline of a batch: the latest of its calls."""
    ends_ns = [deadline.at_ns for deadline in deadlines]
    return Deadline(None if None in ends_ns else max(end_ns for end_ns in ends_ns if end_ns is not None))


def _common_rows(inputs: _Arrays) -> int:
    rows = {alias: len(array) if array.ndim else None for alias, array in inputs.items()}
    if None in rows.values():
        raise InvalidArgumentError("Batching Run() input tensors must have at least one dimension")
    if len(set(rows.values())) > 1:
        sizes = ", ".join(f"{alias} {size}" for alias, size in rows.items())
        raise InvalidArgumentError(f"Batching session Run() input tensors must have equal 0th-dimension size: {sizes}")
    return next(iter(rows.values())) or 0


def _stack(arrays: list[NDArray[Any]], size: int) -> NDArray[Any]:
    """Stack arrays, padded to a common inner shape, and to ``size`` rows by repeating the last row."""
    if len(arrays) == 1 and len(arrays[0]) == size:
        return arrays[0]
    inner = tuple(map(max, zip(*(array.shape[1:] for array in arrays), strict=True)))
    stacked = np.empty((size, *inner), arrays[0].dtype)
    first = 0
    for array in arrays:
        rows = stacked[first : first + len(array)]
        if array.shape[1:] != inner:
            rows[...] = array.flat[0] if array.size else np.zeros((), array.dtype)[()]
        rows[(slice(None), *map(slice, array.shape[1:]))] = array
        first += len(array)
    stacked[first:] = stacked[first - 1 : first]
    return stacked


def _join(outputs: dict[int, dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    if len(outputs) == 1:
        return next(iter(outputs.values()))
    in_order = [outputs[begin] for begin in sorted(outputs)]
    return {alias: np.concatenate([part[alias] for part in in_order]) for alias in in_order[0]}
