"""KServe's own client works unchanged against `sdnn-cloudrun`."""

import asyncio
import json
import os
import subprocess
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

kserve = pytest.importorskip("kserve", reason="KServe's client has an environment of its own: hatch run kserve:test")


@pytest.fixture(scope="module")
def address(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    ready = tmp_path_factory.mktemp("server") / "ready.json"
    variables = {"SDNN_MODEL_BASE_PATH": str(models), "SDNN_HOST": "127.0.0.1", "SDNN_READY_FILE": str(ready)}
    server = subprocess.Popen(["sdnn-cloudrun"], env={**os.environ, **variables, "PORT": "0"})
    try:
        while not ready.exists():
            with pytest.raises(subprocess.TimeoutExpired):
                server.wait(0.05)
        yield f"127.0.0.1:{json.loads(ready.read_text())['port']}"
    finally:
        server.terminate()
        server.wait(30)


def _ask(address: str, method: str, *args: object) -> Any:
    async def ask() -> Any:
        async with kserve.InferenceGRPCClient(address) as client:
            call: Coroutine[Any, Any, Any] = getattr(client, method)(*args)
            return await call

    return asyncio.run(ask())


def _x(data: object, shape: list[int]) -> kserve.InferInput:
    return kserve.InferInput("x", shape, "FP32", data)


@pytest.mark.parametrize("data", [[1.0, 2.0, 5.0], np.array([1, 2, 5], np.float32)], ids=["typed", "raw"])
def test_infer(address: str, data: object) -> None:
    request = kserve.InferRequest("half_plus_two", [_x(data, [3])], request_id="mine")

    answer = _ask(address, "infer", request)

    assert answer.outputs[0].as_numpy().tolist() == [2.5, 3.0, 4.5]
    assert (answer.model_name, answer.model_version, answer.id) == ("half_plus_two", "12", "mine")


def test_strings(address: str) -> None:
    inputs = [
        kserve.InferInput("words", [2], "BYTES", np.array([b"a", "ü".encode()], object)),
        kserve.InferInput("counts", [2], "INT32", np.array([1, 2], np.int32)),
        kserve.InferInput("flags", [2], "BOOL", np.array([True, False])),
    ]

    answer = _ask(address, "infer", kserve.InferRequest("types", inputs))

    values = {output.name: output.as_numpy().tolist() for output in answer.outputs}
    assert values["joined"] == [b"a-1", "ü-2".encode()]
    assert values["counts"] == [2, 4]
    assert values["flags"] == [False, True]


def test_probes(address: str) -> None:
    assert _ask(address, "is_server_live")
    assert _ask(address, "is_server_ready")
    assert _ask(address, "is_model_ready", "half_plus_two")
    assert not _ask(address, "is_model_ready", "nope")


def test_an_unknown_model(address: str) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        _ask(address, "infer", kserve.InferRequest("nope", [_x([1.0], [1])]))

    assert raised.value.code() is grpc.StatusCode.NOT_FOUND
