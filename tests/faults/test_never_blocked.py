"""Whatever is in work, probes answer, other models answer, and who goes away or runs out of time keeps no place.

The engine is another process that answers when the test says so: nothing here depends on how long anything takes.
"""

import json
import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import urllib3
from grpc_health.v1 import health_pb2, health_pb2_grpc
from held_backend import HeldBackend, held_backend

from serverless_dnn.protos.predict_wire import decode_predict_response, encode_predict_request
from serverless_dnn.protos.v1 import model_spec_pb2, model_status_pb2

PREDICT = "/tensorflow.serving.PredictionService/Predict"
STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
LIVE = "/inference.GRPCInferenceService/ServerLive"
WAIT_S = 60
Start = Callable[..., tuple[str, Any]]


@pytest.fixture
def backend() -> Iterator[HeldBackend]:
    with held_backend() as started:
        yield started


@pytest.fixture
def folder(models: Path, tmp_path: Path) -> Path:
    """The models held and free."""
    for name in ("held", "free"):
        shutil.copytree(models / "half_plus_two" / "1", tmp_path / "models" / name / "1")
    return tmp_path / "models"


@pytest.fixture
def start(folder: Path, backend: HeldBackend, start_server: Callable[..., Any]) -> Start:
    """Start a Cloud Run server whose engine is the backend."""
    variables = {
        "SDNN_MODEL_BASE_PATH": str(folder),
        "SDNN_ENGINE": "remote",
        "SDNN_REMOTE_TARGET": backend.target,
        "SDNN_WARM_UP": "false",
    }
    return lambda **more: start_server("sdnn-cloudrun", **variables, **more)


def _body(model: str = "held", rows: int = 1) -> bytes:
    return encode_predict_request(model_spec_pb2.ModelSpec(name=model), {"x": np.ones(rows, np.float32)}, [])


def _answer(body: bytes) -> list[float]:
    return list(decode_predict_response(body)[1]["y"].tolist())


def _code(call: Any) -> str:
    return str(call.exception(WAIT_S).code().name)


def test_probes_and_other_models_answer_while_a_model_hangs(start: Start, backend: HeldBackend) -> None:
    target, _ = start(SDNN_CONCURRENCY="13")
    with grpc.insecure_channel(target) as channel:
        predict = channel.unary_unary(PREDICT)
        held = [predict.future(_body(), timeout=WAIT_S) for _ in range(12)]
        backend.wait_entered(8)

        for service in ("", "grpc.health.v1.Health", "held", "tensorflow.serving.PredictionService"):
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(service=service), timeout=WAIT_S
            )
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        channel.unary_unary(LIVE)(b"", timeout=WAIT_S)
        assert _answer(predict(_body("free"), timeout=WAIT_S)) == [1]
        last = predict.future(_body(), timeout=WAIT_S)
        spec = model_spec_pb2.ModelSpec(name="held")
        asked = model_status_pb2.GetModelStatusRequest(model_spec=spec).SerializeToString()
        status = model_status_pb2.GetModelStatusResponse.FromString(channel.unary_unary(STATUS)(asked, timeout=WAIT_S))
        assert status.model_version_status[0].state == model_status_pb2.ModelVersionStatus.AVAILABLE
        # None of them was answered by letting the others go.
        assert not any(call.done() for call in (*held, last))
        backend.let_go.set()
        assert [_answer(call.result(WAIT_S)) for call in (*held, last)] == [[1]] * 13


def test_a_backend_that_hangs_is_given_up(start: Start, backend: HeldBackend) -> None:
    target, _ = start(SDNN_REMOTE_TIMEOUT_S="0.2", SDNN_CONCURRENCY="1")
    with grpc.insecure_channel(target) as channel:
        predict = channel.unary_unary(PREDICT)

        # The caller has all the time there is.
        assert _code(predict.future(_body())) == "DEADLINE_EXCEEDED"
        assert _answer(predict(_body("free"), timeout=WAIT_S)) == [1]


def test_a_call_whose_deadline_passes_or_that_is_cancelled_frees_its_place(start: Start, backend: HeldBackend) -> None:
    target, _ = start(SDNN_CONCURRENCY="2")
    with grpc.insecure_channel(target) as channel:
        predict = channel.unary_unary(PREDICT)
        late, gone = predict.future(_body(), timeout=2), predict.future(_body(), timeout=WAIT_S)
        backend.wait_entered(2)
        assert _code(predict.future(_body("free"), timeout=WAIT_S)) == "RESOURCE_EXHAUSTED"

        # The engine is told the deadline, and returns with it.
        assert _code(late) == "DEADLINE_EXCEEDED"
        backend.wait_left(1)
        _until_answered(predict)
        gone.cancel()
        backend.let_go.set()
        _until_answered(predict)


def _until_answered(predict: Any) -> None:
    """A place is free a moment after the engine has returned, which nobody outside can see."""
    for _ in range(10_000):
        call = predict.future(_body("free"), timeout=WAIT_S)
        if call.exception(WAIT_S) is None:
            return
        assert _code(call) == "RESOURCE_EXHAUSTED"
    pytest.fail("no place was freed")


def test_a_call_that_is_cancelled_while_it_waits_is_never_begun(start: Start, backend: HeldBackend) -> None:
    target, process = start()
    with grpc.insecure_channel(target) as channel:
        predict = channel.unary_unary(PREDICT)
        held = [predict.future(_body(), timeout=WAIT_S)]
        backend.wait_entered(1)
        places = 4 * len(os.sched_getaffinity(0))
        held += [predict.future(_body(), timeout=WAIT_S) for _ in range(places - 1)]
        backend.wait_entered(places)
        waiting = [predict.future(_body(), timeout=WAIT_S) for _ in range(3)]
        # A call behind them has an answer: the server has them all.
        assert _answer(predict(_body("free"), timeout=WAIT_S)) == [1]
        for call in waiting:
            call.cancel()
        # Of the loop that hears of it, too.
        assert _answer(predict(_body("free"), timeout=WAIT_S)) == [1]
        backend.let_go.set()
        for call in held:
            assert _answer(call.result(WAIT_S)) == [1]
    os.kill(process.process.pid, signal.SIGTERM)
    assert process.process.wait(WAIT_S) == 0

    assert backend.entered == places


def test_a_call_that_is_split_is_run_by_all_workers(start: Start, backend: HeldBackend, tmp_path: Path) -> None:
    (tmp_path / "batching").write_text(
        "max_batch_size { value: 4 } enable_large_batch_splitting { value: true } "
        "max_execution_batch_size { value: 1 } num_batch_threads { value: 3 }"
    )
    target, _ = start(SDNN_ENABLE_BATCHING="true", SDNN_BATCHING_PARAMETERS_FILE=str(tmp_path / "batching"))
    with grpc.insecure_channel(target) as channel:
        call = channel.unary_unary(PREDICT).future(_body(rows=3), timeout=WAIT_S)

        backend.wait_entered(3)
        backend.let_go.set()

        assert _answer(call.result(WAIT_S)) == [1, 1, 1]


def _model_server(folder: Path, backend: HeldBackend, start_server: Callable[..., Any]) -> tuple[str, Any]:
    (config := folder.parent / "models.config").write_text(
        "model_config_list {"
        + "".join(f'config {{ name: "{name}" base_path: "{folder}/{name}" }}' for name in ("held", "free"))
        + "}"
    )
    _, process = start_server(
        "sdnn-model-server",
        *("--port=0", "--rest_api_port=-1", "--host=127.0.0.1", "--rest_api_num_threads=2"),
        *(f"--model_config_file={config}", "--engine=remote", f"--remote_target={backend.target}"),
    )
    return f"127.0.0.1:{json.loads(process.ready_file.read_text())['rest_api_port']}", process


def test_rest_tells_the_state_of_models_while_all_its_threads_are_held_and_loses_none_at_sigterm(
    folder: Path, backend: HeldBackend, start_server: Callable[..., Any]
) -> None:
    address, process = _model_server(folder, backend, start_server)

    def ask(verb: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
        reply = urllib3.request(verb, f"http://{address}{path}", body=body, retries=False, timeout=WAIT_S)
        return reply.status, json.loads(reply.data) if reply.data else None

    with ThreadPoolExecutor(6) as threads:
        held = [threads.submit(ask, "POST", "/v1/models/held:predict", b'{"instances": [1]}') for _ in range(6)]
        backend.wait_entered(2)
        status, told = ask("GET", "/v1/models/held")
        assert (status, told["model_version_status"][0]["state"]) == (200, "AVAILABLE")
        assert ask("HEAD", "/v1/models/held") == (200, None)
        os.kill(process.process.pid, signal.SIGTERM)
        while ask("POST", "/v1/models/free:predict", b'{"instances": [1]}')[0] == 200:
            pass
        backend.let_go.set()
        answers = [call.result(WAIT_S) for call in held]

    # Those that were not begun may be sent elsewhere.
    assert sorted({status for status, _ in answers}) in ([200], [200, 503])
    assert sum(status == 200 for status, _ in answers) >= 2
    assert process.process.wait(WAIT_S) == 0
    assert '"severity": "ERROR"' not in process.log_path.read_text()


def test_rest_sends_a_long_reply_to_its_end_after_sigterm(
    folder: Path, backend: HeldBackend, start_server: Callable[..., Any]
) -> None:
    address, process = _model_server(folder, backend, start_server)
    host, _, port = address.partition(":")
    body = b'{"instances": [' + b"1.5," * 1_200_000 + b"1.5]}"
    with socket.create_connection((host, int(port)), WAIT_S) as connection:
        head = f"POST /v1/models/free:predict HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        received = [connection.recv(1)]
        os.kill(process.process.pid, signal.SIGTERM)
        while piece := connection.recv(1 << 20):
            received.append(piece)

    reply = b"".join(received)
    assert reply.startswith(b"HTTP/1.0 200")
    assert len(json.loads(reply.partition(b"\r\n\r\n")[2])["predictions"]) == 1_200_001
    assert process.process.wait(WAIT_S) == 0
