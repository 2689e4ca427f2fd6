"""Amazon's own SDK works against the local platforms, whose limits are enforced."""

import json
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import numpy as np
import pytest
import urllib3
from botocore.config import Config
from botocore.exceptions import ClientError as BotoError

from serverless_dnn.bench.targets.base import DeployOptions
from serverless_dnn.bench.targets.local_lambda.deployment import LocalLambda
from serverless_dnn.bench.targets.local_sagemaker.deployment import LocalSageMaker
from serverless_dnn.client import ClientOptions, ServerError, StatusCode, connect

INPUTS = {"x": np.float32([1, 2, 5])}


def _boto(service: str, url: str) -> object:
    base = "http://" + url.partition("://")[2].partition("/")[0]
    config = Config(retries={"total_max_attempts": 1}, read_timeout=60)
    return boto3.client(
        service,
        endpoint_url=base,
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=config,
    )


@pytest.mark.parametrize("body_format", ["json", "npy", "protobuf"])
@pytest.mark.parametrize("platform", ["lambda", "sagemaker", "invoke", "cloudrun"])
def test_our_client_on_every_platform_in_every_format(
    platform: str, body_format: str, models: Path, deploy: Callable[..., str]
) -> None:
    url = deploy("lambda" if platform == "invoke" else platform, "half_plus_two", models)
    if platform == "invoke":
        url = f"lambda+{url}/sdnn"

    options = ClientOptions() if platform == "cloudrun" else ClientOptions(body_format=body_format)
    with connect(url, "half_plus_two", options) as client:
        prediction = client.predict(INPUTS)

    assert prediction.outputs["y"].tolist() == [2.5, 3.0, 4.5]
    assert prediction.timing.server is not None
    phases_ms = prediction.timing.server.phases_ms
    assert {"decode", "queue", "compute", "encode", "total"} <= set(phases_ms)
    assert phases_ms["compute"] <= phases_ms["total"] <= prediction.timing.total_ns / 1e6
    assert prediction.timing.server.instance


def test_boto3_invokes_the_function(models: Path, deploy: Callable[..., str]) -> None:
    client = _boto("lambda", deploy("lambda", "half_plus_two", models))

    answer = client.invoke(FunctionName="sdnn", Payload=json.dumps({"instances": [1, 2, 5]}))

    assert json.load(answer["Payload"]) == {"predictions": [2.5, 3.0, 4.5]}
    assert "FunctionError" not in answer
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.invoke(FunctionName="nope", Payload="{}")
    with pytest.raises(client.exceptions.RequestTooLargeException):
        client.invoke(FunctionName="sdnn", Payload=json.dumps("x" * 7_000_000))


def test_boto3_invokes_the_endpoint(models: Path, deploy: Callable[..., str]) -> None:
    client = _boto("sagemaker-runtime", deploy("sagemaker", "half_plus_two", models))

    answer = client.invoke_endpoint(
        EndpointName="sdnn", ContentType="application/json", Body=b'{"instances": [1, 2, 5]}',
        CustomAttributes="tfs-model-name=half_plus_two,tfs-model-version=12",
    )  # fmt: skip

    assert json.load(answer["Body"]) == {"predictions": [2.5, 3.0, 4.5]}
    assert "compute;dur=" in answer["CustomAttributes"]
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    with pytest.raises(client.exceptions.ModelError) as raised:
        client.invoke_endpoint(EndpointName="sdnn", ContentType="application/json", Body=b"{")
    assert raised.value.response["OriginalStatusCode"] == 400
    assert "JSON Parse error" in raised.value.response["OriginalMessage"]
    with pytest.raises(BotoError, match="not found"):
        client.invoke_endpoint(EndpointName="nope", Body=b"")


_HANDLER = """
import os, sys, time

def handler(event, context):
    if "sleep_s" in event:
        open(event["started"], "w").close()
        while not os.path.exists(event["go_on"]):
            time.sleep(0.01)
    if "raise" in event:
        raise ValueError(event["raise"])
    if "exit" in event:
        os._exit(3)
    if "size" in event:
        return "x" * event["size"]
    if "hang" in event:
        time.sleep(60)
    return {"pid": os.getpid(), "memory_mb": context.memory_limit_in_mb}
"""


@pytest.fixture
def function(tmp_path: Path) -> Iterator[Callable[..., LocalLambda]]:
    """A function of ten lines under the real awslambdaric."""
    (tmp_path / "tiny.py").write_text(textwrap.dedent(_HANDLER))
    started: list[LocalLambda] = []
    command = (
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.argv[1:] = ['tiny.handler']; from awslambdaric.__main__ import main; main(sys.argv)",
    )

    def start(instances: int = 1, *, throttle: bool = True, timeout_s: float = 30.0) -> LocalLambda:
        options = DeployOptions("tiny", tmp_path, tmp_path / "logs", instances=instances, throttle=throttle)
        started.append(LocalLambda(options, command, timeout_s))
        return started[-1]

    yield start
    for deployment in started:
        deployment.stop()


def _invoke(deployment: LocalLambda, **event: object) -> dict[str, object]:
    answer = _boto("lambda", deployment.url).invoke(FunctionName="sdnn", Payload=json.dumps(event))
    return {"payload": json.load(answer["Payload"]), "error": answer.get("FunctionError")}


def test_a_function_that_raises_is_an_error_and_lives_on(function: Callable[..., LocalLambda]) -> None:
    deployment = function()
    before = _invoke(deployment)

    failed = _invoke(deployment, **{"raise": "oh no"})

    assert failed["error"] == "Unhandled"
    assert failed["payload"]["errorMessage"] == "oh no"
    assert failed["payload"]["errorType"] == "ValueError"
    assert _invoke(deployment) == before
    assert before["payload"]["memory_mb"] == "3008"
    assert urllib3.request("POST", deployment.url, json={"raise": "x"}).status == 200


def test_a_function_that_exits_is_replaced(function: Callable[..., LocalLambda]) -> None:
    deployment = function()
    before = _invoke(deployment)

    gone = _invoke(deployment, exit=True)

    assert gone["payload"]["errorType"] == "Runtime.ExitError"
    assert _invoke(deployment)["payload"]["pid"] != before["payload"]["pid"]


def test_an_answer_over_the_limit_is_an_error(function: Callable[..., LocalLambda]) -> None:
    deployment = function()

    assert _invoke(deployment, size=6_291_000)["error"] is None
    assert _invoke(deployment, size=6_291_600)["payload"]["errorType"] == "Function.ResponseSizeTooLarge"


def test_a_function_that_hangs_times_out_and_is_replaced(function: Callable[..., LocalLambda]) -> None:
    deployment = function(timeout_s=1.0)

    hung = _invoke(deployment, hang=True)

    assert hung["payload"]["errorType"] == "Sandbox.Timedout"
    assert hung["payload"]["errorMessage"].endswith(" Error: Task timed out after 1.00 seconds")
    assert hung["error"] == "Unhandled"
    assert _invoke(deployment)["error"] is None


@pytest.mark.parametrize("throttle", [True, False])
def test_beyond_the_instances_requests_are_refused_or_wait(
    throttle: bool, function: Callable[..., LocalLambda], tmp_path: Path
) -> None:
    deployment = function(throttle=throttle)
    started, go_on = tmp_path / "started", tmp_path / "go_on"
    results: list[object] = []
    busy = threading.Thread(
        target=lambda: results.append(_invoke(deployment, sleep_s=1, started=str(started), go_on=str(go_on)))
    )
    busy.start()
    while not started.exists():
        busy.join(0.01)
        assert busy.is_alive()
    waiting = threading.Thread(target=lambda: results.append(_invoke(deployment)))

    if throttle:
        with pytest.raises(BotoError, match="TooManyRequestsException"):
            _invoke(deployment)
        assert urllib3.request("POST", deployment.url, json={}).status == 429
        go_on.touch()
    else:
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        go_on.touch()
        waiting.join()
    busy.join()

    assert [result["error"] for result in results] == [None] * (1 if throttle else 2)
    assert len({result["payload"]["pid"] for result in results}) == 1


def test_instances_scale_out_to_the_cap(function: Callable[..., LocalLambda], tmp_path: Path) -> None:
    deployment = function(instances=2)
    go_on = tmp_path / "go_on"
    results: list[dict[str, object]] = []
    threads = []
    for number in range(2):
        started = tmp_path / f"started{number}"
        event = {"sleep_s": 1, "started": str(started), "go_on": str(go_on)}
        threads.append(threading.Thread(target=lambda event=event: results.append(_invoke(deployment, **event))))
        threads[-1].start()
        while not started.exists():
            threads[-1].join(0.01)
            assert threads[-1].is_alive()
    go_on.touch()
    for thread in threads:
        thread.join()

    assert len({result["payload"]["pid"] for result in results}) == 2


def test_an_endpoint_whose_container_does_not_start_says_why(tmp_path: Path) -> None:
    options = ClientOptions(check_inputs=False, timeout_s=60)
    deployment = LocalSageMaker(DeployOptions("nope", tmp_path / "nope", tmp_path / "logs", start_timeout_s=20))
    try:
        with connect(deployment.url, "nope", options) as client, pytest.raises(ServerError) as raised:
            client.predict(INPUTS)
    finally:
        deployment.stop()

    assert raised.value.code is StatusCode.INTERNAL
    assert "cannot read the model folder" in raised.value.message
