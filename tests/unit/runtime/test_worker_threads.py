"""Threads give results and errors back to the event loop."""

import asyncio
import threading

import pytest

from serverless_dnn.runtime.rpc.worker_threads import WorkerThreads


def test_results_and_errors_come_back() -> None:
    async def ask() -> list[object]:
        threads = WorkerThreads(3, "test")
        answers = await asyncio.gather(
            *(threads.run(lambda number=number: 6 // number) for number in (1, 2, 0, 3)), return_exceptions=True
        )
        threads.stop()
        return answers

    assert [str(answer) for answer in asyncio.run(ask())] == [
        "6",
        "3",
        "integer division or modulo by zero",
        "2",
    ]


def test_no_more_threads_than_allowed_nor_than_needed() -> None:
    async def ask() -> tuple[set[str], set[str]]:
        threads = WorkerThreads(2, "few")
        alone = {await threads.run(lambda: threading.current_thread().name) for _ in range(10)}
        many = set(await asyncio.gather(*(threads.run(lambda: threading.current_thread().name) for _ in range(50))))
        threads.stop()
        return alone, many

    alone, many = asyncio.run(ask())

    assert alone == {"few-1"}
    assert many <= {"few-1", "few-2"}


def test_a_loop_that_is_gone_ends_its_thread() -> None:
    release = threading.Event()
    workers: list[threading.Thread] = []

    async def leave() -> None:
        threads = WorkerThreads(1, "left")
        loop, at_work = asyncio.get_running_loop(), asyncio.Event()

        def work() -> None:
            workers.append(threading.current_thread())
            loop.call_soon_threadsafe(at_work.set)
            release.wait(30)

        task = asyncio.create_task(threads.run(work))
        await at_work.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(leave())
    release.set()
    workers[0].join(30)

    assert not workers[0].is_alive()
