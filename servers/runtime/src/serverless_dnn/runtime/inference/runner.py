"""How calls reach an engine: at once when a place is free, or gathered into batches."""

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
            inputs: An array for each of its inputs, of the type and a shape that it accepts.
            timer: Takes the time waited (``queue``) and computed (``compute``).
            deadline: Until when the call may wait and run.

        Returns:
            An array for each of its outputs.

        Raises:
            DeadlineExceededError: Its turn did not come in time.
            CancelledError: Nobody waits for it any more.
            ServingError: The engine refused or failed.
        """
        ...

    def retire(self) -> None:
        """No new calls are expected: give back threads. Calls that come all the same are run one by one."""
        ...


class DirectRunner:
    """Runs each call alone; as many at once as the engine does well.

    Args:
        loaded: The model.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded = loaded
        # A queue of tokens: half the time of a semaphore, which is made of Python.
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
        """Nothing to give back."""
