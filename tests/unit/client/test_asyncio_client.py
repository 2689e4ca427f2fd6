"""The asyncio client: many calls at once over one channel, the sync client's answers and errors."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from serverless_dnn.client import AsyncGrpcClient, ConnectError, DeadlineError, ModelAddress, ServerError, StatusCode


@pytest.fixture
def target(models: Path, deploy: Callable[..., str]) -> str:
    return deploy("cloudrun", "half_plus_two", models).removeprefix("grpc://")


def test_many_calls_at_once(target: str) -> None:
    async def run() -> list[float]:
        async with AsyncGrpcClient(target, "half_plus_two") as client:
            calls = (client.predict({"x": np.float32([number])}) for number in range(50))
            predictions = await asyncio.gather(*calls)
        assert all(prediction.timing.server.phases_ms["compute"] > 0 for prediction in predictions)
        assert all(prediction.timing.total_ns > 0 for prediction in predictions)
        return [prediction.outputs["y"].item() for prediction in predictions]

    assert asyncio.run(run()) == [number / 2 + 2 for number in range(50)]


def test_errors_are_the_sync_clients(target: str) -> None:
    async def run() -> None:
        async with AsyncGrpcClient(target, ModelAddress("nope")) as client:
            with pytest.raises(ServerError, match=r"Latest\(nope\)") as raised:
                await client.predict({"x": np.float32([1])})
            assert raised.value.code is StatusCode.NOT_FOUND
        async with AsyncGrpcClient(target, "half_plus_two") as client:
            with pytest.raises(DeadlineError):
                await client.predict({"x": np.float32([1])}, timeout_s=0.000001)
        async with AsyncGrpcClient("127.0.0.1:1", "half_plus_two") as client:
            with pytest.raises(ConnectError):
                await client.predict({"x": np.float32([1])})

    asyncio.run(run())
