"""Amazon's own SDK against the local SageMaker: instances, payloads and time are limited, and errors are the API's.

How the API reports each: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
"""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError as BotoError

from serverless_dnn.bench.targets.base import DeployOptions
from serverless_dnn.bench.targets.local_sagemaker.deployment import MAX_PAYLOAD_BYTES, LocalSageMaker


@dataclass(frozen=True)
class Endpoint:
    """An endpoint that serves the model: how to invoke it, and where invocations leave and look for their files."""

    client: Any
    files: Path

    def invoke(self, body: bytes) -> Any:
        answer = self.client.invoke_endpoint(EndpointName="sdnn", ContentType="application/json", Body=body)
        return json.load(answer["Body"])

    def body(self, name: str) -> bytes:
        return json.dumps({"inputs": {"started": str(self.started(name)), "go_on": str(self.files / name)}}).encode()

    def started(self, name: str) -> Path:
        return self.files / f"{name}-started"

    def end(self, name: str) -> None:
        """End the invocation of this name, now or as soon as it begins."""
        (self.files / name).touch()

    def begin(self, name: str, pool: ThreadPoolExecutor) -> "Future[Any]":
        """Invoke in a thread, and wait until the container runs the model."""
        running = pool.submit(self.invoke, self.body(name))
        while not self.started(name).exists():
            assert not running.done(), running.result()
            self._wait(running)
        return running

    @staticmethod
    def _wait(running: "Future[Any]") -> None:
        try:
            running.exception(timeout=0.01)
        except TimeoutError:
            return


@pytest.fixture
def deploy_gate(models: Path, tmp_path: Path) -> Iterator[Callable[..., Endpoint]]:
    """Deploy the model on an endpoint with the limits that a test sets."""
    running: list[LocalSageMaker] = []

    def start(instances: int = 1, *, throttle: bool = True, timeout_s: float = 60.0) -> Endpoint:
        options = DeployOptions(
            "gate", models / "gate", tmp_path / "logs", "tensorflow", instances=instances, throttle=throttle
        )
        deployment = LocalSageMaker(options, timeout_s=timeout_s)
        running.append(deployment)
        client = boto3.client(
            "sagemaker-runtime",
            endpoint_url="http://" + deployment.url.partition("://")[2].partition("/")[0],
            region_name="us-east-1",
            aws_access_key_id="x",
            aws_secret_access_key="x",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=120),
        )
        return Endpoint(client, tmp_path)

    yield start
    for deployment in running:
        deployment.stop()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for invocations; ask for it before the endpoint, whose end is the end of all invocations."""
    with ThreadPoolExecutor() as threads:
        yield threads


def _model_error(endpoint: Endpoint, body: bytes) -> dict[str, Any]:
    with pytest.raises(endpoint.client.exceptions.ModelError) as raised:
        endpoint.invoke(body)
    answer: dict[str, Any] = raised.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 424
    return answer


def test_beyond_the_instances_invocations_are_throttled(
    pool: ThreadPoolExecutor, deploy_gate: Callable[..., Endpoint]
) -> None:
    endpoint = deploy_gate(instances=2)
    running = [endpoint.begin(name, pool) for name in ("first", "second")]

    with pytest.raises(BotoError) as raised:
        endpoint.invoke(endpoint.body("third"))

    assert raised.value.response["Error"]["Code"] == "ThrottlingException"
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert not endpoint.started("third").exists()
    for name in ("first", "second", "third"):
        endpoint.end(name)
    assert [each.result() for each in running] == [{"outputs": [True]}] * 2
    assert endpoint.invoke(endpoint.body("third")) == {"outputs": [True]}


def test_without_throttling_invocations_wait_for_the_instance(
    pool: ThreadPoolExecutor, deploy_gate: Callable[..., Endpoint]
) -> None:
    endpoint = deploy_gate(instances=1, throttle=False)
    first = endpoint.begin("first", pool)
    endpoint.end("second")
    second = pool.submit(endpoint.invoke, endpoint.body("second"))

    with pytest.raises(TimeoutError):
        second.result(timeout=0.2)

    assert not endpoint.started("second").exists()
    endpoint.end("first")
    assert [first.result(), second.result()] == [{"outputs": [True]}] * 2


def test_the_payload_is_limited_both_ways(deploy_gate: Callable[..., Endpoint]) -> None:
    endpoint = deploy_gate()
    # Each 1 takes two bytes, with its comma.
    half, too_many = MAX_PAYLOAD_BYTES // 4, MAX_PAYLOAD_BYTES // 2

    def ones(length: int) -> bytes:
        return json.dumps({"signature_name": "ones", "inputs": length}).encode()

    assert len(endpoint.invoke(ones(half))["outputs"]) == half
    too_large_out = _model_error(endpoint, ones(too_many))
    assert str(MAX_PAYLOAD_BYTES) in too_large_out["OriginalMessage"]
    full = ones(1).ljust(MAX_PAYLOAD_BYTES)
    assert endpoint.invoke(full) == {"outputs": [1]}
    with pytest.raises(BotoError) as too_large_in:
        endpoint.invoke(full + b" ")
    assert too_large_in.value.response["Error"]["Code"] == "ValidationError"
    assert too_large_in.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert str(MAX_PAYLOAD_BYTES) in too_large_in.value.response["Error"]["Message"]


def test_an_error_of_the_container_is_a_model_error_with_its_message(deploy_gate: Callable[..., Endpoint]) -> None:
    endpoint = deploy_gate()

    for body, message in (
        (b"{", "JSON Parse error"),
        (b'{"inputs": {"started": "x"}}', "go_on"),
        (b'{"signature_name": "nope", "inputs": 1}', 'Serving signature name: "nope" not found'),
    ):
        error = _model_error(endpoint, body)
        assert error["OriginalStatusCode"] == 400
        assert message in json.loads(error["OriginalMessage"])["error"]
        assert "400" in error["Message"]


def test_an_invocation_that_takes_too_long_is_a_model_error_without_a_status(
    deploy_gate: Callable[..., Endpoint],
) -> None:
    endpoint = deploy_gate(timeout_s=4.0)

    error = _model_error(endpoint, endpoint.body("first"))

    assert error["OriginalStatusCode"] == 0
    assert "4 s" in error["OriginalMessage"]
    assert endpoint.started("first").exists()
    # The container is replaced, and the endpoint goes on.
    endpoint.end("second")
    assert endpoint.invoke(endpoint.body("second")) == {"outputs": [True]}
