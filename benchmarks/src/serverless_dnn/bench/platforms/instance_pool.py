"""Instances that serve one request at a time: reuse an idle one, start another below the cap, then wait or refuse."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Generic, Protocol, TypeVar


class Throttled(Exception):  # noqa: N818 - the platforms' own word for it
    """All instances are busy and there may be no more."""


class Stoppable(Protocol):
    """What a pool holds."""

    async def stop(self) -> None:
        """End the instance."""
        ...


InstanceT = TypeVar("InstanceT", bound=Stoppable)


class InstancePool(Generic[InstanceT]):
    """The instances of one deployment; for one event loop.

    Args:
        start: Starts an instance and returns it ready.
        cap: How many there may be.
        throttle: Refuse what exceeds the cap, instead of letting it wait.
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
        """Have an instance to oneself.

        Yields:
            The instance; if the block raises, it is ended instead of reused.

        Raises:
            Throttled: All are busy, and the pool refuses what exceeds the cap.
        """
        instance = await self._take()
        try:
            yield instance
        except BaseException:
            self._all.remove(instance)
            await instance.stop()
            await self._notify()
            raise
        # The one used last is taken first, as on the platforms: the others may then be ended.
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
        """End all instances."""
        instances, self._all, self._idle = self._all, [], []
        await asyncio.gather(*(instance.stop() for instance in instances))
