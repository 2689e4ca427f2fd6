"""A model that takes longer to load than Lambda's init phase is loaded once, and answers the first request."""

import json
import shutil
import struct
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import numpy as np
import pytest
from botocore.config import Config
from google_crc32c import value as crc32c

from serverless_dnn.bench.targets.base import DeployOptions
from serverless_dnn.bench.targets.local_lambda.deployment import LocalLambda
from serverless_dnn.client.model import ModelAddress
from serverless_dnn.client.wire.messages import encode_request
from serverless_dnn.protos.v1 import predict_pb2, prediction_log_pb2


def _record(content: bytes) -> bytes:
    """A TFRecord (https://www.tensorflow.org/tutorials/load_data/tfrecord)."""

    def masked(part: bytes) -> bytes:
        checksum = crc32c(part)
        return struct.pack("<I", (((checksum >> 15) | (checksum << 17)) + 0xA282EAD8) & 0xFFFFFFFF)

    length = struct.pack("<Q", len(content))
    return length + masked(length) + content + masked(content)


@pytest.fixture
def slow_model(models: Path, tmp_path: Path) -> Path:
    """A model whose warm-up ends when the file ``go_on`` exists; each load adds to the file ``started``."""
    folder = tmp_path / "model" / "gate"
    shutil.copytree(models / "gate" / "1", folder / "1")
    inputs = {name: np.array(str(tmp_path / name).encode(), object) for name in ("started", "go_on")}
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(
        predict_pb2.PredictRequest.FromString(encode_request(ModelAddress("gate"), inputs))
    )
    (folder / "1" / "assets.extra").mkdir(exist_ok=True)
    (folder / "1" / "assets.extra" / "tf_serving_warmup_requests").write_bytes(_record(log.SerializeToString()))
    return folder


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., LocalLambda]]:
    """Deploy the model with an init phase of the handler's of half a second, and Lambda's of some more."""
    running: list[LocalLambda] = []

    def deploy(folder: Path, *, timeout_s: float) -> LocalLambda:
        options = DeployOptions("gate", folder, tmp_path / "logs", "tensorflow", warm_up=True)
        command = ("env", "SDNN_INIT_TIMEOUT_S=0.5", "sdnn-lambda")
        running.append(LocalLambda(options, command, timeout_s=timeout_s, init_timeout_s=30))
        return running[-1]

    yield deploy
    for deployment in running:
        deployment.stop()


def _invoke(deployment: LocalLambda, event: object) -> tuple[bool, dict[str, object]]:
    client = boto3.client(
        "lambda",
        endpoint_url=deployment.url,
        region_name="local",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=120),
    )
    answer = client.invoke(FunctionName="sdnn", Payload=json.dumps(event).encode())
    return "FunctionError" in answer, json.loads(answer["Payload"].read())


def test_the_first_request_waits_for_the_model_that_is_loaded_once(
    slow_model: Path, tmp_path: Path, start: Callable[..., LocalLambda]
) -> None:
    deployment = start(slow_model, timeout_s=60)
    inputs = {"started": str(tmp_path / "started-by-request"), "go_on": str(tmp_path / "go_on")}
    event = {"path": "/v1/models/gate:predict", "body": {"inputs": inputs}}

    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(_invoke, deployment, event)
        log = tmp_path / "logs" / "lambda-1.log"
        # The request has begun although the model is still being warmed up.
        while not (log.exists() and "the first request waits for it" in log.read_text()) and not first.done():
            time.sleep(0.01)
        assert not first.done()
        (tmp_path / "go_on").touch()
        failed, answer = first.result()

    assert not failed
    assert answer["statusCode"] == 200
    assert json.loads(str(answer["body"])) == {"outputs": [True]}
    headers = answer["headers"]
    assert isinstance(headers, dict)
    assert headers["server-timing"].startswith("init;dur=")
    text = log.read_text()
    assert text.count('"message": "model loaded"') == 1
    assert text.count("INIT_REPORT") == 0


def test_a_model_that_is_not_loaded_in_the_functions_time_is_an_answer(
    slow_model: Path, tmp_path: Path, start: Callable[..., LocalLambda]
) -> None:
    deployment = start(slow_model, timeout_s=3)

    failed, answer = _invoke(deployment, {"instances": [1]})
    (tmp_path / "go_on").touch()

    assert not failed
    assert "still being loaded" in str(answer["error"])
