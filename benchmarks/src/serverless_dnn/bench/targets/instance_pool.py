"""Who gets which instance: one with a free place, or another below the cap; beyond it requests wait or are refused."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from serverless_dnn.bench.errors import StartError

IDLE, SCALED_TO_ZERO, STOPPED = "idle", "scaled to zero", "stopped"
"""Why a pool stops an instance."""


class Throttled(Exception):  # noqa: N818 - the platforms' own word for it
    """All instances are busy and the cap is reached."""


class Stoppable(Protocol):
    """A member of a pool."""

    async def stop(self, reason: str) -> None:
        """Stop the instance.

        Args:
            reason: Why, unless the instance knows better.
        """
        ...


InstanceT = TypeVar("InstanceT", bound=Stoppable)


@dataclass(eq=False)
class _Member(Generic[InstanceT]):
    """An instance, from the beginning of its start.

    Attributes:
        ready: The instance, once it has started.
        taken: How many requests it has.
        used: When it last gave an answer, as a count.
        timer: Ends it when it has been idle for long enough.
        is_closed: Whether its process has ended, so that it takes no more requests.
    """

    ready: asyncio.Task[InstanceT]
    taken: int = 0
    used: int = 0
    timer: asyncio.TimerHandle | None = None
    is_closed: bool = False


class InstancePool(Generic[InstanceT]):
    """The instances of one deployment; bound to one event loop.

    Args:
        start: Starts an instance, given its number, and returns it once it is ready.
        cap: The maximum number of instances.
        requests_per_instance: How many requests an instance takes at a time.
        throttle: Refuse requests beyond the cap instead of letting them wait.
        idle_timeout_s: Stop an instance that has no request for so long; ``None`` keeps it.
        reusable_after: What a request may end with that does not end its instance.
    """

    def __init__(
        self,
        start: Callable[[int], Awaitable[InstanceT]],
        cap: int,
        *,
        requests_per_instance: int = 1,
        throttle: bool = False,
        idle_timeout_s: float | None = None,
        reusable_after: tuple[type[BaseException], ...] = (),
    ) -> None:
        self._start = start
        self._cap = cap
        self._requests_per_instance = requests_per_instance
        self._throttle = throttle
        self._idle_timeout_s = idle_timeout_s
        self._reusable_after = reusable_after
        self._members: list[_Member[InstanceT]] = []
        # Each gets a member in which it has a place.
        self._waiting: deque[asyncio.Future[_Member[InstanceT]]] = deque()
        # Every instance from the beginning of its start to the end of its stop.
        self._processes = 0
        self._ending = 0
        self._started = 0
        self._requests = 0
        self._answers = 0
        self._stopping: set[asyncio.Task[None]] = set()
        self._quiet = asyncio.Event()
        self._quiet.set()

    @property
    def members(self) -> tuple[InstanceT, ...]:
        """All running instances."""
        return tuple(member.ready.result() for member in self._members if _is_running(member))

    @asynccontextmanager
    async def instance(self, *, always_waits: bool = False) -> AsyncIterator[InstanceT]:
        """Take a place in an instance; requests that have to wait are served in the order in which they came.

        Args:
            always_waits: Wait even if the pool refuses requests beyond the cap.

        Yields:
            The instance; if the block raises, it is stopped instead of reused.

        Raises:
            Throttled: All instances are busy, and the pool refuses requests beyond the cap.
            StartError: The instance failed to start.
        """
        self._requests += 1
        self._quiet.clear()
        try:
            member = await self._take(throttle=self._throttle and not always_waits)
            instance = await self._started_instance(member)
            try:
                yield instance
            except BaseException as error:
                if isinstance(error, self._reusable_after):
                    self._give_back(member)
                elif (stopping := self._stop_member(member, STOPPED)) is not None:
                    await asyncio.shield(stopping)
                raise
            self._give_back(member)
        finally:
            self._requests -= 1
            self._notice_quiet()

    def discard(self, instance: InstanceT) -> None:
        """Give an instance no more requests, because it has ended by itself; its requests learn of that themselves.

        Args:
            instance: The instance.
        """
        for member in self._members:
            if _is_running(member) and member.ready.result() is instance:
                member.is_closed = True
                self._stop_if_unused(member)
                return

    async def scale_to_zero(self) -> None:
        """Wait until all requests have been answered, then stop all instances; returns when they are gone."""
        while not self._quiet.is_set():
            await self._quiet.wait()
        await self._stop_all(SCALED_TO_ZERO)

    async def stop(self) -> None:
        """Stop all instances; requests that wait for one fail."""
        while self._waiting:
            if not (waiting := self._waiting.popleft()).done():
                waiting.set_exception(StartError("the platform is being stopped"))
        await self._stop_all(STOPPED)

    async def _take(self, *, throttle: bool) -> _Member[InstanceT]:
        if (member := self._free_member()) is not None:
            return self._seat(member)
        # The place of an instance that is being stopped is free in a moment: it is waited for.
        free_soon = self._ending * self._requests_per_instance
        if throttle and sum(not waiting.done() for waiting in self._waiting) >= free_soon:
            raise Throttled
        waiting: asyncio.Future[_Member[InstanceT]] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            return await waiting
        except asyncio.CancelledError:
            # What it was given just before it was cancelled is for the next one.
            if not waiting.cancelled():
                self._give_back(waiting.result())
            raise

    async def _started_instance(self, member: _Member[InstanceT]) -> InstanceT:
        try:
            # It goes on starting without this request.
            return await asyncio.shield(member.ready)
        except asyncio.CancelledError:
            if member.ready.cancelled():
                raise StartError("the platform is being stopped") from None
            self._give_back(member)
            raise

    def _free_member(self) -> _Member[InstanceT] | None:
        free = [
            member
            for member in self._members
            if member.taken < self._requests_per_instance and not member.is_closed and not _has_failed(member)
        ]
        # The busiest and most recently used first, as on the platforms, so that the others can be scaled down.
        running = [member for member in free if _is_running(member)]
        if candidates := running or free:
            return max(candidates, key=lambda member: (member.taken, member.used))
        return self._begin_start() if self._processes < self._cap else None

    def _seat(self, member: _Member[InstanceT]) -> _Member[InstanceT]:
        member.taken += 1
        if member.timer is not None:
            member.timer.cancel()
            member.timer = None
        return member

    def _begin_start(self) -> _Member[InstanceT]:
        self._processes += 1
        self._started += 1

        async def start(number: int) -> InstanceT:
            return await self._start(number)

        member = _Member(asyncio.create_task(start(self._started)))
        member.ready.add_done_callback(lambda _: self._start_ended(member))
        self._members.append(member)
        return member

    def _start_ended(self, member: _Member[InstanceT]) -> None:
        if _has_failed(member) and member in self._members:
            self._members.remove(member)
            self._processes -= 1
            self._seat_waiting()
        elif member.taken == 0:
            # Whoever it was started for has gone.
            self._stop_if_unused(member)
        self._notice_quiet()

    def _give_back(self, member: _Member[InstanceT]) -> None:
        self._answers += 1
        member.taken -= 1
        member.used = self._answers
        if member in self._members:
            self._seat_waiting()
            if member.ready.done():
                self._stop_if_unused(member)

    def _stop_if_unused(self, member: _Member[InstanceT]) -> None:
        """Stop an instance without requests if it has ended, or else when it has been idle for long enough."""
        if member.taken or member not in self._members:
            return
        if member.is_closed:
            self._stop_member(member, STOPPED)
        elif self._idle_timeout_s is not None:
            loop = asyncio.get_running_loop()
            member.timer = loop.call_later(self._idle_timeout_s, self._stop_member, member, IDLE)

    def _seat_waiting(self) -> None:
        while self._waiting:
            if self._waiting[0].done():
                self._waiting.popleft()
            elif (member := self._free_member()) is not None:
                self._waiting.popleft().set_result(self._seat(member))
            else:
                return

    async def _stop_all(self, reason: str) -> None:
        for member in tuple(self._members):
            self._stop_member(member, reason)
        await asyncio.gather(*self._stopping)

    def _stop_member(self, member: _Member[InstanceT], reason: str) -> asyncio.Task[None] | None:
        """Begin to stop an instance, unless that has begun before."""
        if member not in self._members:
            return None
        self._members.remove(member)
        self._ending += 1
        if member.timer is not None:
            member.timer.cancel()
        task = asyncio.create_task(self._stop_instance(member, reason))
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)
        return task

    async def _stop_instance(self, member: _Member[InstanceT], reason: str) -> None:
        try:
            if not member.ready.done():
                member.ready.cancel()
                await asyncio.wait((member.ready,))
            if not _has_failed(member):
                await member.ready.result().stop(reason)
        finally:
            # Only now: two processes in one place would exceed the cap.
            self._ending -= 1
            self._processes -= 1
            self._seat_waiting()

    def _notice_quiet(self) -> None:
        if self._requests == 0 and all(member.ready.done() for member in self._members):
            self._quiet.set()


def _is_running(member: _Member[Any]) -> bool:
    return member.ready.done() and not _has_failed(member)


def _has_failed(member: _Member[Any]) -> bool:
    return member.ready.done() and (member.ready.cancelled() or member.ready.exception() is not None)
