"""The same bad input gets the field's right code from every server, and the server answers the next request."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import pytest
import urllib3
from numpy.typing import NDArray

from serverless_dnn.client import (
    ClientError,
    ClientOptions,
    ModelAddress,
    RequestError,
    ServerError,
    StatusCode,
    connect,
)

PLATFORMS = ("lambda", "sagemaker", "cloudrun")
MODEL = "half_plus_two"
GOOD = {"x": np.array([1, 2, 5], np.float32)}


@dataclass(frozen=True)
class BadCall:
    """A call that must fail, the code it must fail with, and a part of the text."""

    address: ModelAddress
    inputs: Mapping[str, NDArray[np.generic]]
    code: StatusCode
    text: str


CALLS = {
    "unknown model": BadCall(ModelAddress("nope"), GOOD, StatusCode.NOT_FOUND, "Latest(nope)"),
    "unknown version": BadCall(ModelAddress(MODEL, version=7), GOOD, StatusCode.NOT_FOUND, f"Specific({MODEL}, 7)"),
    "unknown signature": BadCall(
        ModelAddress(MODEL, signature_name="nope"), GOOD, StatusCode.FAILED_PRECONDITION, 'key "nope" not found'
    ),
    "unknown input": BadCall(
        ModelAddress(MODEL),
        {"nope": GOOD["x"]},
        StatusCode.INVALID_ARGUMENT,
        "Signature input alias: x(feed name: ",
    ),
    "no input": BadCall(ModelAddress(MODEL), {}, StatusCode.INVALID_ARGUMENT, "does not match signature: 0!=1"),
    "wrong dtype": BadCall(
        ModelAddress(MODEL), {"x": np.array([1.0])}, StatusCode.INVALID_ARGUMENT, "DT_FLOAT, but float64 is provided"
    ),
    "wrong shape": BadCall(
        ModelAddress(MODEL),
        {"x": np.ones((2, 2), np.float32)},
        StatusCode.INVALID_ARGUMENT,
        "[-1] (-1 is free), but [2, 2] is",
    ),
    "unknown output": BadCall(
        ModelAddress(MODEL, output_filter=["nope"]), GOOD, StatusCode.INVALID_ARGUMENT, "output tensor alias not found"
    ),
}


@pytest.mark.parametrize("case", CALLS)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_calls(platform: str, case: str, models: Path, deploy: Callable[..., str]) -> None:
    call = CALLS[case]
    url = deploy(platform, MODEL, models)
    # What the client would find out itself, the server must too.
    options = ClientOptions(check_inputs=False, body_format="auto" if platform == "cloudrun" else "protobuf")

    with connect(url, call.address, options) as client, pytest.raises(ServerError) as raised:
        client.predict(call.inputs)

    # HTTP has one status for what is wrong with a request; TensorFlow Serving answers 400 to both.
    over_http = StatusCode.INVALID_ARGUMENT if call.code is StatusCode.FAILED_PRECONDITION else call.code
    assert raised.value.code == (call.code if platform == "cloudrun" else over_http)
    assert call.text in raised.value.message
    _still_answers(url)


BODIES = {
    "broken json": ("application/json", b'{"instances": [1, 2', 400, "JSON Parse error"),
    "empty": ("application/json", b"", 400, "The document is empty"),
    "no object": ("application/json", b"[1]", 400, "Is not object"),
    "deep nesting": ("application/json", b'{"instances":' + b"[" * 100_000, 400, "nested too deep"),
    "wrong type": ("application/json", b'{"instances": ["a"]}', 400, "is not of expected type: float"),
    "broken protobuf": ("application/x-protobuf", b"\xff\xff\xff", 400, "not a PredictRequest"),
    "broken npy": ("application/x-npy", b"\x93NUMPY\x09\x00", 400, "version 1.0 or 2.0"),
    "cut npy": ("application/x-npy", b"", 400, "not .npy"),
}


@pytest.mark.parametrize("case", BODIES)
@pytest.mark.parametrize("platform", ["lambda", "sagemaker"])
def test_http_bodies(platform: str, case: str, models: Path, deploy: Callable[..., str]) -> None:
    if (platform, case) == ("sagemaker", "no object"):
        pytest.skip("SageMaker's containers take a list as an instance")
    content_type, body, status, text = BODIES[case]
    url = deploy(platform, MODEL, models)

    reply = _post(url, content_type, body)

    document = json.loads(reply.data)
    if platform == "sagemaker":
        assert (reply.status, document["OriginalStatusCode"]) == (424, status)
        document = json.loads(document["OriginalMessage"])
    else:
        assert reply.status == status
    assert text in document["error"]
    _still_answers(url)


@pytest.mark.parametrize("body", [b"\xff\xff\xff", b"\x0a\x05x"])
def test_broken_messages(body: bytes, models: Path, deploy: Callable[..., str]) -> None:
    url = deploy("cloudrun", MODEL, models)

    with grpc.insecure_channel(url.removeprefix("grpc://")) as channel, pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary("/tensorflow.serving.PredictionService/Predict")(body, timeout=30)

    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "not a PredictRequest" in raised.value.details()
    _still_answers(url)


@pytest.mark.parametrize(("platform", "mib"), [("lambda", 7), ("sagemaker", 5), ("cloudrun", 65)])
def test_bodies_over_the_limit(platform: str, mib: int, models: Path, deploy: Callable[..., str]) -> None:
    url = deploy(platform, MODEL, models)
    inputs = {"x": np.zeros(mib << 18, np.float32)}

    options = ClientOptions(body_format="auto" if platform == "cloudrun" else "npy")

    with connect(url, MODEL, options) as client, pytest.raises(ClientError) as raised:
        client.predict(inputs)

    if platform == "sagemaker":
        assert isinstance(raised.value, RequestError)
        assert "5243008 bytes, more than the 4194304 that SageMaker takes" in raised.value.message
        return
    assert raised.value.code is StatusCode.RESOURCE_EXHAUSTED
    assert raised.value.http_status in (None, 413)
    _still_answers(url)


def test_unknown_content_type_on_sagemaker(models: Path, deploy: Callable[..., str]) -> None:
    reply = _post(deploy("sagemaker", MODEL, models), "text/x-nothing", b"1")

    assert json.loads(reply.data)["OriginalStatusCode"] == 415
    assert "Unsupported Media Type: text/x-nothing" in reply.data.decode()


@pytest.mark.parametrize("command", [("sdnn-cloudrun",), ("sdnn-sagemaker", "serve")], ids=lambda command: command[0])
def test_a_missing_model_folder_ends_the_start(command: tuple[str, ...], tmp_path: Path, run_command: Callable) -> None:
    done = run_command(
        *command,
        SDNN_MODEL_BASE_PATH=str(tmp_path / "nope"),
        SDNN_HOST="127.0.0.1",
        PORT="0",
        SAGEMAKER_BIND_TO_PORT="0",
    )

    assert done.returncode == 1
    assert f"{command[0]}: cannot read the model folder {tmp_path / 'nope'}: No such file or directory" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_model_folder_is_an_init_error_on_lambda(tmp_path: Path) -> None:
    from serverless_dnn.bench.targets.base import DeployOptions
    from serverless_dnn.bench.targets.local_lambda.deployment import LocalLambda

    deployment = LocalLambda(DeployOptions("nope", tmp_path / "nope", tmp_path / "logs"))
    try:
        port = deployment.url.rpartition(":")[2]
        reply = urllib3.request("POST", f"http://127.0.0.1:{port}/2015-03-31/functions/sdnn/invocations", body=b"{}")
    finally:
        deployment.stop()

    assert reply.headers["X-Amz-Function-Error"] == "Unhandled"
    assert "cannot read the model folder" in reply.json()["errorMessage"]


def _post(url: str, content_type: str, body: bytes) -> urllib3.BaseHTTPResponse:
    address = url.removeprefix("sagemaker+")
    if address != url:
        base, _, endpoint = address.rpartition("/")
        address = f"{base}/endpoints/{endpoint}/invocations"
    else:
        address = f"{url}/v1/models/{MODEL}:predict"
    return urllib3.request("POST", address, body=body, headers={"content-type": content_type}, timeout=60)


def _still_answers(url: str) -> None:
    with connect(url, MODEL) as client:
        assert client.predict(GOOD).outputs["y"].tolist() == [2.5, 3.0, 4.5]
