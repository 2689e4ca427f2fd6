"""Under 200 clients for a minute: right answers, deliberate refusals only, flat memory; reload and SIGTERM lose nothing."""

import asyncio
import json
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil
import pytest

from serverless_dnn.protos.predict_wire import decode_predict_response, encode_predict_request
from serverless_dnn.protos.v1 import model_config_pb2, model_spec_pb2, model_status_pb2

CLIENTS = 200
LOAD_S = 60.0
RELOAD_EVERY_S = 6.0
PREDICT = "/tensorflow.serving.PredictionService/Predict"
BODY = encode_predict_request(model_spec_pb2.ModelSpec(name="half_plus_two"), {"x": np.float32([1, 2, 5])}, [])
MEMORY_GROWTH = 1.15


@dataclass
class Seen:
    """What the clients saw."""

    codes: Counter[str] = field(default_factory=Counter)
    versions: set[int] = field(default_factory=set)
    wrong: int = 0
    latencies_ns: list[int] = field(default_factory=list)
    until_s: float = float("inf")


async def _client(target: str, seen: Seen) -> None:
    # A connection of its own: channels of one process to one target otherwise share theirs.
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    async with grpc.aio.insecure_channel(target, options) as channel:
        call = channel.unary_unary(PREDICT)
        while time.monotonic() < seen.until_s:
            begin_ns = time.perf_counter_ns()
            try:
                answer = await call(BODY, timeout=30)
            except grpc.aio.AioRpcError as error:
                refused_by_a_handler = "shutting down" in (error.details() or "")
                seen.codes["DRAINING" if refused_by_a_handler else error.code().name] += 1
                if error.code() is grpc.StatusCode.UNAVAILABLE:
                    return
                # A refused client comes back later, as clients do, and not in a spin.
                await asyncio.sleep(0.05)
                continue
            seen.latencies_ns.append(time.perf_counter_ns() - begin_ns)
            response, outputs = decode_predict_response(answer)
            seen.codes["OK"] += 1
            seen.versions.add(response.model_spec.version.value)
            seen.wrong += outputs["y"].tolist() != [2.5, 3, 4.5]


def _log(process: Any, message: str) -> list[dict[str, Any]]:
    lines = (line for line in process.log_path.read_text().splitlines() if line.startswith('{"severity"'))
    return [entry for entry in map(json.loads, lines) if entry["message"] == message]


@pytest.mark.soak
@pytest.mark.timeout(240)
def test_a_minute_of_200_clients_with_rolling_reloads_and_a_sigterm(
    copied_model: Path, start_server: Callable[..., Any], record_property: Callable[[str, object], None]
) -> None:
    shutil.rmtree(copied_model / "00000012")
    target, process = start_server(
        "sdnn-cloudrun", SDNN_MODEL_BASE_PATH=str(copied_model), SDNN_ENGINE="openvino", SDNN_POLL_WAIT_S="0.2"
    )
    server = psutil.Process(process.process.pid)
    seen, resident = Seen(), []

    async def load() -> None:
        begin_s = time.monotonic()
        clients = [asyncio.create_task(_client(target, seen)) for _ in range(CLIENTS)]
        version = 1
        while time.monotonic() - begin_s < LOAD_S:
            await asyncio.sleep(RELOAD_EVERY_S)
            version += 1
            # As a deployment copies a model: written aside, then renamed.
            shutil.copytree(copied_model / "1", copied_model / "copying")
            (copied_model / "copying").rename(copied_model / str(version))
            resident.append(server.memory_info().rss)
        assert not any(client.done() for client in clients)
        os.kill(server.pid, signal.SIGTERM)
        await asyncio.gather(*clients)

    asyncio.run(load())

    assert process.process.wait(10) == 0
    assert set(seen.codes) <= {"OK", "RESOURCE_EXHAUSTED", "DRAINING", "UNAVAILABLE"}
    assert seen.wrong == 0
    assert seen.versions >= set(range(1, 10))
    # Refusals for want of a server came with the SIGTERM alone: each client stopped at its first.
    assert seen.codes["UNAVAILABLE"] + seen.codes["DRAINING"] == CLIENTS
    (drained,) = _log(process, "drained")
    assert drained["accepted"] == drained["answered"] == seen.codes["OK"]
    assert max(resident) < resident[1] * MEMORY_GROWTH
    record_property("p99_ms", float(np.percentile(seen.latencies_ns, 99)) / 1e6)
    record_property("answers", seen.codes["OK"])


@pytest.fixture
def repository_server(models: Path, tmp_path: Path, start_server: Callable[..., Any]) -> Any:
    """A server of half_plus_two that takes new configurations; gives a channel, the folder and the process."""
    shutil.copytree(models / "half_plus_two" / "1", tmp_path / "models" / "half" / "1")
    shutil.copytree(models / "pair", tmp_path / "models" / "pair")
    target, process = start_server(
        "sdnn-cloudrun",
        SDNN_MODEL_BASE_PATH=str(tmp_path / "models" / "half"),
        SDNN_ENGINE="openvino",
        SDNN_POLL_WAIT_S="0.05",
        SDNN_RELOAD_FOLDER=str(tmp_path / "models"),
    )
    with grpc.insecure_channel(target) as channel:
        yield channel, tmp_path / "models", process


def _status(channel: grpc.Channel, model: str) -> dict[int, str]:
    body = model_status_pb2.GetModelStatusRequest(model_spec=model_spec_pb2.ModelSpec(name=model)).SerializeToString()
    answer = channel.unary_unary("/tensorflow.serving.ModelService/GetModelStatus")(body, timeout=30)
    states = model_status_pb2.GetModelStatusResponse.FromString(answer).model_version_status
    return {state.version: model_status_pb2.ModelVersionStatus.State.Name(state.state) for state in states}


def _until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen within 30 s"
        time.sleep(0.02)


def _reload(channel: grpc.Channel, **base_paths: Path) -> None:
    config = model_config_pb2.ModelServerConfig()
    for name, path in base_paths.items():
        config.model_config_list.config.add(name=name, base_path=str(path), model_platform="tensorflow")
    body = model_config_pb2.ReloadConfigRequest(config=config).SerializeToString()
    channel.unary_unary("/tensorflow.serving.ModelService/HandleReloadConfigRequest")(body, timeout=60)


def test_a_newer_version_replaces_the_older_and_a_broken_one_does_not(repository_server: Any) -> None:
    channel, folder, _ = repository_server
    assert _status(channel, "half") == {1: "AVAILABLE"}

    shutil.copytree(folder / "half" / "1", folder / "aside")
    (folder / "aside").rename(folder / "half" / "2")
    _until(lambda: _status(channel, "half") == {2: "AVAILABLE", 1: "END"})
    (folder / "half" / "3").mkdir()
    (folder / "half" / "3" / "saved_model.pb").write_bytes(b"half of a file")
    _until(lambda: _status(channel, "half").get(3) == "END")
    assert _status(channel, "half") == {3: "END", 2: "AVAILABLE", 1: "END"}
    # The copy is completed: it is tried again.
    shutil.copytree(folder / "half" / "2", folder / "half" / "3", dirs_exist_ok=True)
    _until(lambda: _status(channel, "half") == {3: "AVAILABLE", 2: "END", 1: "END"})
    # Back to the older one.
    shutil.rmtree(folder / "half" / "3")
    _until(lambda: _status(channel, "half") == {3: "END", 2: "AVAILABLE", 1: "END"})


def test_a_new_configuration_replaces_the_models_or_changes_nothing(repository_server: Any) -> None:
    channel, folder, _ = repository_server
    _reload(channel, half=folder / "half", pair=folder / "pair")
    assert _status(channel, "pair") == {3: "AVAILABLE"}

    refusals = {
        "PERMISSION_DENIED": {"half": Path("/etc")},
        "NOT_FOUND": {"half": folder / "half", "nope": folder / "nope"},
    }
    for code, configuration in refusals.items():
        with pytest.raises(grpc.RpcError) as raised:
            _reload(channel, **configuration)
        assert raised.value.code().name == code
        assert (_status(channel, "half"), _status(channel, "pair")) == ({1: "AVAILABLE"}, {3: "AVAILABLE"})
    with pytest.raises(grpc.RpcError, match="in none of the folders"):
        _reload(channel, half=folder / "half" / ".." / ".." / "..")
    _reload(channel, pair=folder / "pair")
    _until(lambda: _status(channel, "half") == {1: "END"})
    with pytest.raises(grpc.RpcError, match=r"Latest\(half_plus_two\)"):
        channel.unary_unary(PREDICT)(BODY, timeout=30)


def test_without_a_folder_for_it_no_new_configuration_is_taken(models: Path, start_server: Callable[..., Any]) -> None:
    target, _ = start_server("sdnn-cloudrun", SDNN_MODEL_BASE_PATH=str(models / "pair"), SDNN_ENGINE="openvino")
    with grpc.insecure_channel(target) as channel, pytest.raises(grpc.RpcError, match="no --reload-folder") as raised:
        _reload(channel, pair=models / "pair")

    assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED
