"""Who gets which instance, and when."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from serverless_dnn.bench.errors import StartError
from serverless_dnn.bench.targets.instance_pool import InstancePool, Throttled


class Instance:
    """An instance that only has to exist; stopping it takes until ``may_stop``."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.may_stop = asyncio.Event()
        self.may_stop.set()
        self.is_stopped = False
        self.reason = ""

    async def stop(self, reason: str) -> None:
        await self.may_stop.wait()
        self.is_stopped = True
        self.reason = reason


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


def test_the_busiest_instance_with_a_free_place_is_taken_and_another_only_when_all_are_full() -> None:
    async def scenario() -> None:
        pool = InstancePool(_start, 2, requests_per_instance=2)
        go_on = [asyncio.Event() for _ in range(6)]
        got: list[int] = []

        async def request(number: int) -> None:
            async with pool.instance() as instance:
                got.append(instance.number)
                await go_on[number].wait()

        requests = []
        for number in range(5):
            requests.append(asyncio.create_task(request(number)))
            await _settle()
        # Two in each, and one that waits for a place.
        assert got == [1, 1, 2, 2]
        go_on[2].set()
        await _settle()
        assert got == [1, 1, 2, 2, 2]
        for number in (0, 1, 4):
            go_on[number].set()
        await _settle()
        # The first is idle, the second has one request.
        requests.append(asyncio.create_task(request(5)))
        await _settle()
        assert got[5] == 2
        for event in go_on:
            event.set()
        await asyncio.gather(*requests)

    _run(scenario)


def test_requests_that_come_while_an_instance_starts_wait_for_it_if_it_has_places_for_them() -> None:
    async def scenario() -> None:
        may_start = asyncio.Event()

        async def start(number: int) -> Instance:
            await may_start.wait()
            return Instance(number)

        pool = InstancePool(start, 5, requests_per_instance=3)

        async def request() -> int:
            async with pool.instance() as instance:
                await _settle()
                return instance.number

        requests = [asyncio.create_task(request()) for _ in range(4)]
        await _settle()
        may_start.set()

        assert await asyncio.gather(*requests) == [1, 1, 1, 2]

    _run(scenario)


def test_an_instance_goes_on_starting_without_the_request_it_was_started_for() -> None:
    async def scenario() -> None:
        may_start = asyncio.Event()

        async def start(number: int) -> Instance:
            await may_start.wait()
            return Instance(number)

        pool = InstancePool(start, 1)

        async def request() -> int:
            async with pool.instance() as instance:
                return instance.number

        impatient = asyncio.create_task(request())
        await _settle()
        impatient.cancel()
        patient = asyncio.create_task(request())
        await _settle()
        may_start.set()

        assert await patient == 1
        assert impatient.cancelled()

    _run(scenario)


def test_an_instance_that_has_ended_gets_no_more_requests_and_is_replaced_once_it_has_none() -> None:
    async def scenario() -> None:
        pool = InstancePool(_start, 1, requests_per_instance=2)

        async def request() -> int:
            async with pool.instance() as instance:
                return instance.number

        async with pool.instance() as ended:
            pool.discard(ended)
            second = asyncio.create_task(request())
            await _settle()
            assert not second.done()

        assert await second == 2
        assert ended.is_stopped

    _run(scenario)


def test_a_request_that_is_cancelled_leaves_an_instance_that_can_be_reused() -> None:
    async def scenario() -> None:
        pool = InstancePool(_start, 1, reusable_after=(asyncio.CancelledError,))

        async def request() -> None:
            async with pool.instance():
                await asyncio.Event().wait()

        cancelled = asyncio.create_task(request())
        await _settle()
        cancelled.cancel()
        async with pool.instance() as instance:
            assert instance.number == 1
            assert not instance.is_stopped

    _run(scenario)


def test_scaling_to_zero_waits_for_requests_and_returns_when_the_instances_are_gone() -> None:
    async def scenario() -> None:
        pool = InstancePool(_start, 2)
        go_on = asyncio.Event()

        async def request() -> Instance:
            async with pool.instance() as instance:
                await go_on.wait()
                return instance

        # The third waits for an instance.
        requests = [asyncio.create_task(request()) for _ in range(3)]
        await _settle()
        scaling = asyncio.create_task(pool.scale_to_zero())
        await _settle()
        assert not scaling.done()
        first = pool.members[0]
        first.may_stop.clear()
        go_on.set()
        instances = await asyncio.gather(*requests)
        await _settle()
        assert pool.members == ()
        assert not scaling.done()
        first.may_stop.set()
        await scaling

        assert {(instance.is_stopped, instance.reason) for instance in instances} == {(True, "scaled to zero")}
        async with pool.instance() as instance:
            assert instance.number == 3

    _run(scenario)


def test_an_instance_without_requests_is_stopped_after_the_idle_time() -> None:
    async def scenario() -> None:
        pool = InstancePool(_start, 1, requests_per_instance=2, idle_timeout_s=0.01)
        async with pool.instance() as instance:
            async with pool.instance():
                pass
            await asyncio.sleep(0.1)
            assert not instance.is_stopped
        while pool.members:  # noqa: ASYNC110 - the pool does not tell
            await asyncio.sleep(0.001)
        await pool.stop()

        assert (instance.is_stopped, instance.reason) == (True, "idle")

    _run(scenario)


def test_stopping_the_pool_ends_instances_that_start_and_tells_requests_that_wait() -> None:
    async def scenario() -> None:
        begun: list[int] = []

        async def start(number: int) -> Instance:
            begun.append(number)
            await asyncio.Event().wait()
            raise AssertionError

        pool = InstancePool(start, 1)

        async def request() -> None:
            async with pool.instance():
                raise AssertionError

        requests = [asyncio.create_task(request()) for _ in range(2)]
        await _settle()
        await pool.stop()

        for outcome in await asyncio.gather(*requests, return_exceptions=True):
            assert isinstance(outcome, StartError)
        assert begun == [1]

    _run(scenario)
