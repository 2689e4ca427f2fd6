"""Who gets which instance, and when."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from serverless_dnn.bench.platforms.instance_pool import InstancePool, Throttled


class Instance:
    """An instance that only has to exist; stopping it takes until ``may_stop``."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.may_stop = asyncio.Event()
        self.may_stop.set()
        self.is_stopped = False

    async def stop(self) -> None:
        await self.may_stop.wait()
        self.is_stopped = True


async def _start(number: int) -> Instance:
    return Instance(number)


def _run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 30))


async def _settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_requests_are_served_in_the_order_in_which_they_came() -> None:
    async def scenario() -> None:
        pool = InstancePool(_start, 1, throttle=False)
        served: list[int] = []

        async def request(number: int) -> None:
            async with pool.instance():
                served.append(number)
                await _settle()

        await asyncio.gather(*(request(number) for number in range(20)))

        assert served == list(range(20))
        assert [instance.number for instance in pool.members] == [1]

    _run(scenario)


def test_a_request_that_gives_up_leaves_its_turn_to_the_next() -> None:
    async def scenario() -> None:
        pool = InstancePool(_start, 1, throttle=False)

        async def request() -> int:
            async with pool.instance() as instance:
                return instance.number

        async with pool.instance():
            waiting = [asyncio.create_task(request()) for _ in range(4)]
            await _settle()
            waiting[0].cancel()
            await _settle()
        # The instance has been given to the second, which does not know it yet.
        waiting[1].cancel()

        assert await asyncio.gather(*waiting[2:]) == [1, 1]
        assert [request.cancelled() for request in waiting] == [True, True, False, False]

    _run(scenario)


def test_an_instance_that_fails_to_start_leaves_its_place_to_the_next() -> None:
    async def scenario() -> None:
        may_fail = asyncio.Event()

        async def start(number: int) -> Instance:
            if number == 1:
                await may_fail.wait()
                raise ValueError("it does not start")
            return Instance(number)

        pool = InstancePool(start, 1, throttle=False)

        async def request() -> int:
            async with pool.instance() as instance:
                return instance.number

        first, second = (asyncio.create_task(request()) for _ in range(2))
        await _settle()
        may_fail.set()

        with pytest.raises(ValueError, match="it does not start"):
            await first
        assert await second == 2

    _run(scenario)


def test_the_place_of_an_instance_that_is_being_stopped_is_waited_for_but_by_one_request_only() -> None:
    async def scenario() -> None:
        pool = InstancePool(_start, 1, throttle=True)

        async def request() -> int:
            async with pool.instance() as instance:
                return instance.number

        assert await request() == 1
        (ended,) = pool.members
        ended.may_stop.clear()
        pool.discard(ended)
        waiting = asyncio.create_task(request())
        await _settle()

        with pytest.raises(Throttled):
            await request()
        patient = asyncio.create_task(_patiently(pool))
        await _settle()
        assert not waiting.done()
        ended.may_stop.set()
        assert [await waiting, await patient] == [2, 2]

    _run(scenario)


async def _patiently(pool: InstancePool[Instance]) -> int:
    async with pool.instance(always_waits=True) as instance:
        return instance.number


def test_an_instance_whose_borrower_fails_is_stopped() -> None:
    async def scenario() -> None:
        pool = InstancePool(_start, 1, throttle=False)

        with pytest.raises(ZeroDivisionError):
            async with pool.instance() as broken:
                raise ZeroDivisionError
        async with pool.instance() as instance:
            assert instance.number == 2

        assert broken.is_stopped
        await pool.stop()
        assert instance.is_stopped

    _run(scenario)
