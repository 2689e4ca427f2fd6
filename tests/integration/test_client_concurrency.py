"""One client for many: tasks, threads, event loops and processes."""

import asyncio
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from serverless_dnn.client import AsyncClient, ClientOptions, connect, connect_async

PLATFORMS = ("cloudrun", "sagemaker", "lambda")


async def _many(client: AsyncClient, count: int) -> list[float]:
    calls = (client.predict({"x": [float(number)]}) for number in range(count))
    return [prediction.outputs["y"].item() for prediction in await asyncio.gather(*calls)]


def _halves(count: int) -> list[float]:
    return [number / 2 + 2 for number in range(count)]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_thousand_at_once(platform: str, models: Path, deploy: Callable[..., str]) -> None:
    url = deploy(platform, "half_plus_two", models)

    async def run() -> list[float]:
        # The servers refuse what is beyond their own limits; the client holds it back.
        async with connect_async(url, "half_plus_two", ClientOptions(max_in_flight=40)) as client:
            return await _many(client, 1000)

    assert asyncio.run(run()) == _halves(1000)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_two_hundred_threads(platform: str, models: Path, deploy: Callable[..., str]) -> None:
    url = deploy(platform, "half_plus_two", models)
    together = threading.Barrier(200)

    def call(client: Any, number: int) -> float:
        together.wait(60)
        return float(client.predict({"x": [float(number)]}).outputs["y"].item())

    with (
        connect(url, "half_plus_two", ClientOptions(max_in_flight=40)) as client,
        ThreadPoolExecutor(200) as threads,
    ):
        answers = list(threads.map(lambda number: call(client, number), range(200)))

    assert answers == _halves(200)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_made_where_no_loop_runs_and_used_in_several(platform: str, models: Path, deploy: Callable[..., str]) -> None:
    client = connect_async(deploy(platform, "half_plus_two", models), "half_plus_two")

    assert asyncio.run(_many(client, 5)) == _halves(5)
    with ThreadPoolExecutor(2) as threads:
        at_once = [threads.submit(lambda: asyncio.run(_many(client, 50))) for _ in range(2)]
        assert [call.result(60) for call in at_once] == [_halves(50)] * 2
    asyncio.run(client.close())


def test_a_stream_keeps_its_order(models: Path, deploy: Callable[..., str]) -> None:
    from serverless_dnn.client import AsyncGrpcClient, GrpcClient

    target = deploy("cloudrun", "half_plus_two", models).removeprefix("grpc://")
    inputs = [{"x": [float(number)]} for number in range(30)]

    with GrpcClient(target, "half_plus_two") as client:
        answers = [prediction.outputs["y"].item() for prediction in client.predict_stream(inputs)]

    async def run() -> list[float]:
        async with AsyncGrpcClient(target, "half_plus_two") as client:
            return [prediction.outputs["y"].item() async for prediction in client.predict_stream(inputs, ahead=8)]

    assert answers == asyncio.run(run()) == _halves(30)


@pytest.mark.parametrize("platform", ["sagemaker", "lambda"])
def test_http_after_a_fork(platform: str, models: Path, deploy: Callable[..., str]) -> None:
    url = deploy(platform, "half_plus_two", models)
    code = """
        import os, sys
        from serverless_dnn.client import connect
        client = connect(sys.argv[1], "half_plus_two")
        assert client.predict({"x": [1.0]}).outputs["y"].tolist() == [2.5]
        child = os.fork()
        for number in range(20):
            assert client.predict({"x": [float(number)]}).outputs["y"].tolist() == [number / 2 + 2]
        if child:
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        os._exit(0)
    """
    _run(code, url)


def test_grpc_after_a_fork_says_what_to_do(models: Path, deploy: Callable[..., str]) -> None:
    url = deploy("cloudrun", "half_plus_two", models)
    code = """
        import os, sys
        from serverless_dnn.client import RequestError, connect
        used, fresh = (connect(sys.argv[1], "half_plus_two") for _ in range(2))
        if "unused" not in sys.argv:
            used.predict({"x": [1.0]})
        child = os.fork()
        if child:
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        try:
            assert used.predict({"x": [1.0]}, timeout_s=20).outputs["y"].tolist() == [2.5]
            told = ""
        except RequestError as error:
            told = str(error)
        os._exit(0 if ("used before its process was forked" in told) == (sys.argv[2] == "told") else 1)
    """
    _run(code, url, "told", GRPC_ENABLE_FORK_SUPPORT="0")
    _run(code, url, "answered", "unused", GRPC_ENABLE_FORK_SUPPORT="0")
    _run(code, url, "answered", GRPC_ENABLE_FORK_SUPPORT="1")


def _run(code: str, *arguments: str, **variables: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, **variables},
    )
    assert done.returncode == 0, done.stderr


def test_in_worker_processes(models: Path, deploy: Callable[..., str], tmp_path: Path) -> None:
    url = deploy("cloudrun", "half_plus_two", models)
    program = tmp_path / "workers.py"
    code = """
        import multiprocessing, sys
        from serverless_dnn.client import connect

        def call(number):
            with connect(sys.argv[1], "half_plus_two") as client:
                return client.predict({"x": [float(number)]}).outputs["y"].item()

        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(2) as pool:
                print(pool.map(call, range(4)))
    """
    program.write_text(textwrap.dedent(code), encoding="utf-8")

    done = subprocess.run([sys.executable, program, url], capture_output=True, text=True, check=False, timeout=120)

    assert done.stdout.strip() == str(_halves(4)), done.stderr
