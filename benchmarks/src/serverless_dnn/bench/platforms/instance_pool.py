"""Instances that serve one request at a time: reuse an idle one, start another below the cap, then wait or refuse."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Generic, Protocol, TypeVar


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
    """

    def __init__(self, start: Callable[[int], Awaitable[InstanceT]], cap: int, *, throttle: bool) -> None:
        self._start = start
        self._cap = cap
        self._throttle = throttle
        self._idle: list[InstanceT] = []
        self._all: list[InstanceT] = []
        self._started = 0
        self._starting = 0
        self._freed = asyncio.Condition()

    @asynccontextmanager
    async def instance(self) -> AsyncIterator[InstanceT]:
        """Borrow an instance exclusively.

        Yields:
            The instance; if the block raises, it is stopped instead of reused.

        Raises:
            Throttled: All instances are busy, and the pool refuses requests beyond the cap.
        """
        instance = await self._take()
        try:
            yield instance
        except BaseException:
            self._all.remove(instance)
            await instance.stop()
            await self._notify()
            raise
        # Most recently used first, as on the platforms, so that the others can be scaled down.
        self._idle.append(instance)
        await self._notify()

    async def _take(self) -> InstanceT:
        async with self._freed:
            while True:
                if self._idle:
                    return self._idle.pop()
                if len(self._all) + self._starting < self._cap:
                    self._starting += 1
                    break
                if self._throttle:
                    raise Throttled
                await self._freed.wait()
        self._started += 1
        try:
            instance = await self._start(self._started)
            self._all.append(instance)
            return instance
        finally:
            self._starting -= 1
            await self._notify()

    async def _notify(self) -> None:
        async with self._freed:
            self._freed.notify_all()

    async def stop(self) -> None:
        """Stop all instances."""
        instances, self._all, self._idle = self._all, [], []
        await asyncio.gather(*(instance.stop() for instance in instances))
