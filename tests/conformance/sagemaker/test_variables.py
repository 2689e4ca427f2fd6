"""The cases of upstream's test_nginx_config.py and test_tfs_batching.py: what the variables say is done, or logged.

There is no nginx here: its read time-out is the time limit of an invocation, and its log level is logged as ignored.
"""

import json
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SERVE = ("sdnn-sagemaker", "serve")
READ_TIMEOUT = "SAGEMAKER_NGINX_PROXY_READ_TIMEOUT_SECONDS"
SCRIPT_TIMEOUT = "SAGEMAKER_GUNICORN_TIMEOUT_SECONDS"
LOG_LEVEL = "SAGEMAKER_TFS_NGINX_LOGLEVEL"
# The script's version of the model gate: answers once the file exists.
GATE_SCRIPT = """
import json
import os
import time


def handler(data, context):
    path = json.load(data)["inputs"]["path"]
    while not os.path.exists(path):
        time.sleep(0.01)
    return json.dumps({"outputs": [0]}), "application/json"
"""


@pytest.mark.parametrize(
    ("variables", "limits_s"),
    [
        # SageMaker itself gives up after 60 s: to answer just before is as good.
        pytest.param({}, (59, 60), id="nginx_default_parameters"),
        pytest.param({LOG_LEVEL: "info", READ_TIMEOUT: "63"}, (63,), id="nginx_env_var_parameters"),
        pytest.param({READ_TIMEOUT: "60", SCRIPT_TIMEOUT: "120"}, (120,), id="nginx_higher_gunicorn_parameter"),
    ],
)
def test_the_time_limit_of_invocations_is_logged(
    variables: dict[str, str], limits_s: tuple[int, ...], half_plus_two: Path, start_server: Callable[..., Any]
) -> None:
    _, server = start_server(*SERVE, SDNN_MODEL_BASE_PATH=str(half_plus_two), **variables)

    log = server.log_path.read_text()

    # As a line of nginx's or a field of ours: time-out, then the number.
    logged = [float(value) for value in re.findall(r'(?i)time.?out[a-z_]*"?[ :=]+([0-9]+(?:\.[0-9]+)?)', log)]
    assert any(limit_s in logged for limit_s in limits_s), log
    assert (LOG_LEVEL in log) == (LOG_LEVEL in variables)
    server.stop()


@pytest.fixture(params=["script", "child"])
def waiting(
    request: pytest.FixtureRequest, half_plus_two: Path, gate: Path, binary: str, tmp_path: Path
) -> dict[str, str]:
    """The variables of a container whose script, or model server, answers once a file exists."""
    if request.param == "child":
        return {"SDNN_MODEL_BASE_PATH": str(gate), "SAGEMAKER_TFS_BINARY": binary}
    folder = tmp_path / "model"
    shutil.copytree(half_plus_two, folder / "half_plus_two")
    (folder / "code").mkdir()
    (folder / "code" / "inference.py").write_text(GATE_SCRIPT)
    return {"SDNN_MODEL_BASE_PATH": str(folder)}


def test_an_invocation_ends_at_the_time_limit(
    waiting: dict[str, str], start_server: Callable[..., Any], send: Callable[..., Any], tmp_path: Path
) -> None:
    limits = {READ_TIMEOUT: "1", SCRIPT_TIMEOUT: "1"}
    address, server = start_server(*SERVE, **waiting, **limits)
    opened = tmp_path / "opened"
    body = json.dumps({"inputs": {"path": str(opened)}})

    late = send(address, "POST", "/invocations", body, content_type="application/json")

    # As nginx does.
    assert late.status == 504
    assert late.json["error"]
    opened.touch()
    # A script that hangs may be started again, and says so until then.
    while (answer := send(address, "POST", "/invocations", body, content_type="application/json")).status == 503:
        time.sleep(0.05)
    assert answer.json == {"outputs": [0]}
    server.stop()


@pytest.mark.parametrize("where", ["in_process", "child"])
def test_tfs_batching_parameters_are_logged(
    where: str, half_plus_two: Path, binary: str, start_server: Callable[..., Any], send: Callable[..., Any]
) -> None:
    address, server = start_server(
        *SERVE,
        SDNN_MODEL_BASE_PATH=str(half_plus_two),
        SAGEMAKER_TFS_ENABLE_BATCHING="true",
        SAGEMAKER_TFS_MAX_BATCH_SIZE="16",
        SAGEMAKER_TFS_BATCH_TIMEOUT_MICROS="500",
        SAGEMAKER_TFS_NUM_BATCH_THREADS="100",
        SAGEMAKER_TFS_MAX_ENQUEUED_BATCHES="1",
        **({"SAGEMAKER_TFS_BINARY": binary} if where == "child" else {}),
    )

    log = server.log_path.read_text()

    for line in (
        "max_batch_size { value: 16 }",
        "batch_timeout_micros { value: 500 }",
        "num_batch_threads { value: 100 }",
        "max_enqueued_batches { value: 1 }",
    ):
        assert line in log
    answer = send(address, "POST", "/invocations", "1.0,2.0,5.0", content_type="text/csv")
    assert answer.json == {"predictions": [[2.5, 3.0, 4.5]]}
    server.stop()
