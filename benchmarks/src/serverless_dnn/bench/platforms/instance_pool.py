"""Instances that serve one request at a time: reuse an idle one, start another below the cap, then wait or refuse."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Generic, Protocol, TypeVar


class Throttled(Exception):  # noqa: N818 - the platforms' own word for it
    """All instances are busy and the cap is reached."""


class Stoppable(Protocol):
    """A member of a pool."""

    async def stop(self) -> None:
        """Stop the instance."""
        ...


InstanceT = TypeVar("InstanceT", bound=Stoppable)


class InstancePool(Generic[InstanceT]):
    """The instances of one deployment; bound to one event loop.

    Args:
        start: Starts an instance, given its number, and returns it once it is ready.
        cap: The maximum number of instances.
        throttle: Refuse requests beyond the cap instead of letting them wait.
        idle_timeout_s: Stop an instance that nobody borrows for so long; ``None`` keeps it.
    """

    def __init__(
        self,
        start: Callable[[int], Awaitable[InstanceT]],
        cap: int,
        *,
        throttle: bool,
        idle_timeout_s: float | None = None,
    ) -> None:
        self._start = start
        self._cap = cap
        self._throttle = throttle
        self._idle_timeout_s = idle_timeout_s
        self._members: list[InstanceT] = []
        self._idle: list[tuple[InstanceT, asyncio.TimerHandle | None]] = []
        # What a waiting request gets: an instance, or the place in which it may start one.
        self._waiting: deque[asyncio.Future[InstanceT | None]] = deque()
        self._places = 0
        self._ending = 0
        self._started = 0
        self._stopping: set[asyncio.Task[None]] = set()

    @property
    def members(self) -> tuple[InstanceT, ...]:
        """All running instances."""
        return tuple(self._members)

    @asynccontextmanager
    async def instance(self, *, always_waits: bool = False) -> AsyncIterator[InstanceT]:
        """Borrow an instance exclusively; requests that have to wait are served in the order in which they came.

        Args:
            always_waits: Wait even if the pool refuses requests beyond the cap.

        Yields:
            The instance; if the block raises, it is stopped instead of reused.

        Raises:
            Throttled: All instances are busy, and the pool refuses requests beyond the cap.
        """
        instance = await self._take(throttle=self._throttle and not always_waits)
        try:
            yield instance
        except BaseException:
            await self._stop_member(instance)
            raise
        self._give_back(instance)

    def discard(self, instance: InstanceT) -> None:
        """Stop an idle instance, because it has ended by itself; a borrowed one is its borrower's to deal with.

        Args:
            instance: The instance.
        """
        for entry in self._idle:
            if entry[0] is instance:
                self._idle.remove(entry)
                if entry[1] is not None:
                    entry[1].cancel()
                self._in_background(self._stop_member(instance))
                return

    async def stop(self) -> None:
        """Stop all instances."""
        for _, timer in self._idle:
            if timer is not None:
                timer.cancel()
        members, self._members, self._idle = self._members, [], []
        await asyncio.gather(*(instance.stop() for instance in members), *self._stopping)

    async def _take(self, *, throttle: bool) -> InstanceT:
        if self._idle:
            # Most recently used first, as on the platforms, so that the others can be scaled down.
            instance, timer = self._idle.pop()
            if timer is not None:
                timer.cancel()
            return instance
        if self._places < self._cap:
            self._places += 1
            return await self._start_member()
        # An instance that is being stopped no longer serves anyone: its place is waited for.
        if throttle and sum(not waiting.done() for waiting in self._waiting) >= self._ending:
            raise Throttled
        given = await self._wait()
        return await self._start_member() if given is None else given

    async def _wait(self) -> InstanceT | None:
        waiting: asyncio.Future[InstanceT | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            return await waiting
        except asyncio.CancelledError:
            # What it was given just before it was cancelled is for the next one.
            if not waiting.cancelled():
                if (given := waiting.result()) is None:
                    self._free_place()
                else:
                    self._give_back(given)
            raise

    async def _start_member(self) -> InstanceT:
        self._started += 1
        try:
            instance = await self._start(self._started)
        except BaseException:
            self._free_place()
            raise
        self._members.append(instance)
        return instance

    def _give_back(self, instance: InstanceT) -> None:
        if instance not in self._members:
            return
        if (waiting := self._next_waiting()) is not None:
            waiting.set_result(instance)
            return
        timer = None
        if self._idle_timeout_s is not None:
            timer = asyncio.get_running_loop().call_later(self._idle_timeout_s, self.discard, instance)
        self._idle.append((instance, timer))

    def _free_place(self) -> None:
        if (waiting := self._next_waiting()) is None:
            self._places -= 1
        else:
            waiting.set_result(None)

    def _next_waiting(self) -> asyncio.Future[InstanceT | None] | None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                return waiting
        return None

    async def _stop_member(self, instance: InstanceT) -> None:
        if instance not in self._members:
            return
        self._members.remove(instance)
        self._ending += 1
        try:
            await instance.stop()
        finally:
            # Only now: two processes in one place would exceed the cap.
            self._ending -= 1
            self._free_place()

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)
