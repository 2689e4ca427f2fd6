"""The handler answers in time, says what it waited for, and logs what CloudWatch reads; also with a model server beside it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_PRELUDE = """
import json, os, sys, threading, time

class Context:
    def __init__(self, request_id, remaining_ms):
        self.aws_request_id = request_id
        self._end_s = time.monotonic() + remaining_ms / 1000

    def get_remaining_time_in_millis(self):
        return int(1000 * (self._end_s - time.monotonic()))

def until(path):
    while not os.path.exists(path):
        time.sleep(0.01)

def tell(name, value):
    print("TOLD", json.dumps([name, value]), flush=True)

from serverless_dnn.lambda_rest.handler import handler
"""


@pytest.fixture
def run(models: Path, tmp_path: Path) -> Callable[..., tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Run code after the handler was imported; gives what it told, and the lines of JSON that were logged."""

    def run_code(code: str, model: str = "half_plus_two", **variables: str) -> Any:
        shared = {"SDNN_MODEL_BASE_PATH": str(models / model), "SDNN_ENGINE": "tensorflow"}
        done = subprocess.run(
            [sys.executable, "-c", _PRELUDE + code, str(tmp_path)],
            env={**os.environ, **shared, **variables},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        lines = (done.stdout + done.stderr).splitlines()
        told = dict(json.loads(line.removeprefix("TOLD ")) for line in lines if line.startswith("TOLD "))
        return told, [json.loads(line) for line in lines if line.startswith("{")]

    return run_code


def test_a_prediction_that_does_not_end_in_time_is_504_and_the_next_one_runs(run: Callable[..., Any]) -> None:
    told, _ = run(
        """
folder = sys.argv[1]
paths = {"started": f"{folder}/started", "go_on": f"{folder}/go_on"}
tell("late", handler({"path": "/v1/models/gate:predict", "body": {"inputs": paths}}, Context("1", 1500)))
open(paths["go_on"], "w").close()
tell("next", handler({"path": "/v1/models/gate:predict", "body": {"inputs": paths}}, Context("2", 60_000)))
""",
        model="gate",
    )

    assert told["late"]["statusCode"] == 504
    assert "the function's time is over" in json.loads(told["late"]["body"])["error"]
    assert told["next"]["statusCode"] == 200
    assert json.loads(told["next"]["body"]) == {"outputs": [True]}


def test_log_lines_and_metrics_carry_the_request(run: Callable[..., Any]) -> None:
    told, lines = run(
        """
os.environ["_X_AMZN_TRACE_ID"] = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"
event = {"path": "/v1/models/half_plus_two:predict", "body": {"instances": [1.0]}}
tell("first", handler(event, Context("id-1", 60_000)))
tell("second", handler({"path": "/v1/models/other:predict", "body": {"instances": [1.0]}}, Context("id-2", 60_000)))
""",
        AWS_LAMBDA_FUNCTION_NAME="mine",
    )

    assert told["first"]["headers"]["x-amzn-trace-id"].startswith("Root=1-5759e988")
    first, second = [line for line in lines if "_aws" in line]
    (directive,) = first["_aws"]["CloudWatchMetrics"]
    # As the embedded metric format demands, every name in it is a member of the line.
    assert {metric["Name"] for metric in directive["Metrics"]} | set(directive["Dimensions"][0]) <= set(first)
    assert (first["FunctionName"], first["Model"], first["requestId"]) == ("mine", "half_plus_two", "id-1")
    assert (first["ColdStarts"], first["Errors"], first["Status"]) == (1, 0, 200)
    assert first["Compute"] > 0
    assert first["Cold"] > first["Load"] > 0
    assert (second["ColdStarts"], second["Errors"], second["Status"], second["requestId"]) == (0, 1, 404, "id-2")
    loaded = next(line for line in lines if line.get("message") == "model loaded")
    assert {"timestamp", "level"} <= set(loaded)


@pytest.mark.parametrize("binary", [None, "stand-in"])
def test_a_model_server_beside_the_function(binary: str | None, tmp_path: Path, run: Callable[..., Any]) -> None:
    variables = {"SDNN_MODEL_SERVER": "child"}
    if binary is not None:
        path = tmp_path / "tensorflow_model_server"
        ours = Path(sys.executable).with_name("sdnn-model-server")
        path.write_text(f'#!/bin/sh\nexec {ours} "$@"\n', encoding="utf-8")
        path.chmod(0o755)
        variables["SDNN_TFS_BINARY"] = str(path)
    event = {"path": "/v1/models/half_plus_two:predict", "body": {"instances": [1.0]}}

    told, _ = run(f"tell('answer', handler({event!r}, None))", **variables)

    assert json.loads(told["answer"]["body"]) == {"predictions": [2.5]}
    name = "sdnn-model-server" if binary is None else "tensorflow_model_server"
    assert f'server;desc="{name}"' in told["answer"]["headers"]["server-timing"]


def test_a_model_server_beside_the_function_batches_as_asked(tmp_path: Path, run: Callable[..., Any]) -> None:
    flags, binary, parameters = tmp_path / "flags", tmp_path / "tensorflow_model_server", tmp_path / "parameters"
    ours = Path(sys.executable).with_name("sdnn-model-server")
    binary.write_text(f'#!/bin/sh\necho "$@" > {flags}\nexec {ours} "$@"\n', encoding="utf-8")
    binary.chmod(0o755)
    parameters.write_text("max_batch_size { value: 8 }", encoding="utf-8")
    variables = {
        "SDNN_MODEL_SERVER": "child",
        "SDNN_TFS_BINARY": str(binary),
        "SDNN_ENABLE_BATCHING": "true",
        "SDNN_BATCHING_PARAMETERS_FILE": str(parameters),
    }

    told, _ = run("tell('answer', handler({'instances': [1.0]}, None))", **variables)

    assert told["answer"] == {"predictions": [2.5]}
    assert "--enable_batching=true" in flags.read_text().split()


def test_several_models_have_to_be_named(models: Path, run: Callable[..., Any], tmp_path: Path) -> None:
    for name in ("half_plus_two", "pair"):
        (tmp_path / "several" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "several" / name).symlink_to(models / name)

    told, _ = run("tell('bare', handler({'instances': [1.0]}, None))", SDNN_MODEL_BASE_PATH=str(tmp_path / "several"))

    assert "several models (half_plus_two, pair)" in told["bare"]["error"]
    assert '{"path": "/v1/models/NAME:predict"' in told["bare"]["error"]


def test_an_archives_model_is_found_below_the_task_root(models: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    (tmp_path / "model").symlink_to(models / "half_plus_two")

    told, _ = run(
        "tell('bare', handler({'instances': [1.0]}, None))", SDNN_MODEL_BASE_PATH="", LAMBDA_TASK_ROOT=str(tmp_path)
    )

    assert told["bare"] == {"predictions": [2.5]}


def test_an_answer_is_compressed_for_whoever_accepts_that(run: Callable[..., Any]) -> None:
    told, _ = run("""
import base64, gzip
event = {"path": "/v1/models/half_plus_two:predict", "headers": {"Accept-Encoding": "gzip, br"},
         "body": {"instances": [float(number) for number in range(5000)]}}
answer = handler(event, None)
tell("encoding", answer["headers"].get("Content-Encoding"))
tell("last", json.loads(gzip.decompress(base64.b64decode(answer["body"])))["predictions"][-1])
""")

    assert told == {"encoding": "gzip", "last": 2501.5}
