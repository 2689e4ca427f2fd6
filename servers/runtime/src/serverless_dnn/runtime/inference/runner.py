"""How calls reach an engine: directly when a slot is free, or in batches."""

import queue
import time
from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from serverless_dnn.runtime.deadline import FOREVER, Deadline
from serverless_dnn.runtime.engines.base import LoadedModel
from serverless_dnn.runtime.errors import DeadlineExceededError
from serverless_dnn.runtime.saved_model.signature import Signature
from serverless_dnn.runtime.timing import PhaseTimer


class Runner(Protocol):
    """Runs calls of one loaded model; any number of threads may call it."""

    def run(
        self,
        signature: Signature,
        inputs: Mapping[str, NDArray[Any]],
        timer: PhaseTimer,
        deadline: Deadline = FOREVER,
    ) -> dict[str, NDArray[Any]]:
        """Run one call.

        Args:
            signature: The signature.
            inputs: An array for each of its inputs, with a type and shape it accepts.
            timer: Records the time spent waiting (``queue``) and computing (``compute``).
            deadline: How long the call may wait and run.

        Returns:
            An array for each of its outputs.

        Raises:
            DeadlineExceededError: It did not get to run in time.
            CancelledError: Its caller is no longer waiting.
            ServingError: The engine rejected the call or failed.
        """
        ...

    def retire(self) -> None:
        """Release threads, since no new calls are expected. Calls that still arrive run one at a time."""
        ...


class DirectRunner:
    """Runs each call on its own, with the concurrency that suits the engine.

    Args:
        loaded: The model.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded = loaded
        # A queue of tokens: takes half the time of a semaphore, which is written in Python.
        self._places: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(loaded.concurrency):
            self._places.put(None)

    def run(
        self,
        signature: Signature,
        inputs: Mapping[str, NDArray[Any]],
        timer: PhaseTimer,
        deadline: Deadline = FOREVER,
    ) -> dict[str, NDArray[Any]]:
        """Run one call; see ``Runner.run``."""
        queued_ns = time.perf_counter_ns()
        timeout_s = deadline.left_s()
        try:
            self._places.get(timeout=timeout_s)
        except queue.Empty:
            raise DeadlineExceededError(f"waited {timeout_s or 0.0:.3f} s for a free place to run") from None
        finally:
            started_ns = time.perf_counter_ns()
            timer.add("queue", started_ns - queued_ns)
        try:
            deadline.check("a place to run was free")
            return self._loaded.run(signature, inputs, deadline)
        finally:
            timer.add("compute", time.perf_counter_ns() - started_ns)
            self._places.put(None)

    def retire(self) -> None:
        """Nothing to release."""
