"""A request that is encoded once and sent many times: the same answers, on every platform, with the same errors."""

import asyncio
import http.server
import json
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import boto3
import numpy as np
import pytest
import urllib3

from serverless_dnn.client import (
    ClientOptions,
    EncodedRequest,
    GrpcClient,
    ModelAddress,
    RequestError,
    S3Storage,
    ServerError,
    StatusCode,
    connect,
    connect_async,
)
from serverless_dnn.client.testing import InMemoryServer
from serverless_dnn.protos.predict_wire import decode_predict_request, encode_predict_response

TRANSPORTS = ("cloudrun", "sagemaker", "lambda", "invoke")


@pytest.fixture(params=TRANSPORTS)
def url(request: pytest.FixtureRequest, models: Path, deploy: Callable[..., str]) -> str:
    """A URL at which half_plus_two is served."""
    platform = "lambda" if request.param == "invoke" else request.param
    address = deploy(platform, "half_plus_two", models)
    return f"lambda+{address}/sdnn" if request.param == "invoke" else address


@pytest.fixture
def server() -> InMemoryServer:
    made = InMemoryServer()
    for name in ("double", "other"):
        made.serve(name, lambda inputs: {"y": 2 * inputs["x"], "n": np.int32(1)}, inputs={"x": ("float32", [None])})
    return made


def test_every_client_sends_it_again_and_again(url: str) -> None:
    async def with_asyncio(encoded: EncodedRequest) -> list[list[float]]:
        async with connect_async(url, "half_plus_two") as client:
            own = await client.encode({"x": [4.0]})
            predictions = [await client.predict(each) for each in (own, encoded, encoded)]
        return [prediction.outputs["y"].tolist() for prediction in predictions]

    with connect(url, "half_plus_two", ClientOptions(keep_response=True)) as client:
        encoded = client.encode({"x": [1, 2]})
        plain = client.predict({"x": [1, 2]})
        with ThreadPoolExecutor(2) as threads:
            predictions = list(threads.map(client.predict, [encoded] * 6))
        elsewhere = client.with_options(keep_response=False).predict(pickle.loads(pickle.dumps(encoded)))

    for prediction in predictions:
        assert prediction.outputs["y"].tolist() == [2.5, 3.0]
        assert prediction.outputs["y"].dtype == np.float32
        assert (prediction.model, prediction.version) == (plain.model, plain.version)
        assert prediction.response is not None
        assert prediction.timing.server is not None
        assert prediction.timing.bytes_sent == plain.timing.bytes_sent == encoded.size_bytes
    assert elsewhere.response is None
    assert asyncio.run(with_asyncio(encoded)) == [[4.0], [2.5, 3.0], [2.5, 3.0]]


@pytest.mark.parametrize("body_format", ["json", "npy", "protobuf"])
def test_its_body_is_what_predict_sends(body_format: Any, models: Path, deploy: Callable[..., str]) -> None:
    url = deploy("sagemaker", "half_plus_two", models)
    with connect(url, "half_plus_two", ClientOptions(body_format=body_format)) as client:
        encoded = client.encode({"x": [1, 2]})
        prediction = client.predict(encoded)

        assert prediction.timing.bytes_sent == client.predict({"x": [1, 2]}).timing.bytes_sent
    assert body_format in encoded.request.headers["content-type"]
    assert prediction.outputs["y"].tolist() == [2.5, 3.0]


def test_it_keeps_the_address_it_was_encoded_for(models: Path, deploy: Callable[..., str]) -> None:
    with connect(deploy("cloudrun", "half_plus_two", models), "half_plus_two") as client:
        pinned = client.encode({"x": [1]}, version=12, outputs=["y"])
        assert pinned.address == ModelAddress("half_plus_two", 12, output_filter=("y",))
        assert client.predict(pinned).version == 12
        gone = client.with_options(check_inputs=False).encode({"x": np.ones(1, np.float32)}, version=7)
        with pytest.raises(ServerError) as raised:
            client.predict(gone)
        assert raised.value.code is StatusCode.NOT_FOUND


def test_nothing_is_encoded_when_it_is_sent(server: InMemoryServer) -> None:
    client = server.client("double")
    array = np.ones(3, np.float32)
    encoded = client.encode({"x": array})
    array[:] = 7

    assert client.predict(encoded).outputs["y"].tolist() == [2, 2, 2]
    assert [inputs["x"].tolist() for _, inputs in server.calls] == [[1, 1, 1]]
    assert repr(encoded).count("\n") == 0
    assert len(repr(client.encode({"x": np.zeros(1000, np.float32)}))) < 300


@pytest.mark.parametrize(
    "keywords", [{"version": 1}, {"label": "stable"}, {"signature": "serving_default"}, {"outputs": ["y"]}]
)
def test_keywords_for_another_address_are_refused(server: InMemoryServer, keywords: dict[str, Any]) -> None:
    client = server.client("double")
    encoded = client.encode({"x": [1]})

    with pytest.raises(RequestError, match="give them to encode"):
        client.predict(encoded, **keywords)
    assert client.predict(encoded, timeout_s=5).outputs["n"] == 1
    assert len(server.calls) == 1


def test_other_models_and_apis_are_refused(server: InMemoryServer) -> None:
    encoded = server.client("double").encode({"x": [1]})

    with pytest.raises(RequestError, match="encoded for double over gRPC, and this client calls other over gRPC"):
        server.client("other").predict(encoded)
    with (
        connect("http://127.0.0.1:1", "double") as rest,
        pytest.raises(RequestError, match="over gRPC, and this client calls double over REST: encode it with this"),
    ):
        rest.predict(encoded)
    assert not server.calls


def test_what_cannot_be_encoded_is_refused_as_by_predict(server: InMemoryServer) -> None:
    client = server.client("double")

    with pytest.raises(RequestError, match=r"must be float32\[\?\], got the shape \[1, 1\]"):
        client.encode({"x": [[1]]})
    with pytest.raises(RequestError, match=r"inputs must be arrays by name, .* got list"):
        client.encode([1])  # type: ignore[arg-type]
    with pytest.raises(RequestError, match=r"inputs must be arrays by name, .* got EncodedRequest"):
        client.encode(client.encode({"x": [1]}))  # type: ignore[arg-type]
    client.close()
    with pytest.raises(RequestError, match="closed"):
        client.encode({"x": [1]})


def test_a_request_too_large_for_the_platform_is_refused_when_it_is_sent() -> None:
    options = ClientOptions(check_inputs=False)
    with connect("lambda+http://127.0.0.1:1/f", "m", options) as client:
        encoded = client.encode({"x": np.zeros(3_000_000, np.float32)})
        with pytest.raises(RequestError, match=f"the request takes {encoded.size_bytes} bytes, more than the 6291456"):
            client.predict(encoded)


class _StoreAndFunction(http.server.BaseHTTPRequestHandler):
    """A bucket, and a function behind Lambda's API that takes its tensors from there and halves them."""

    protocol_version = "HTTP/1.1"
    objects: ClassVar[dict[str, bytes]] = {}

    def do_PUT(self) -> None:
        self.objects[self.path.partition("?")[0]] = self._body()
        self._answer(b"")

    def do_GET(self) -> None:
        self._answer(self.objects[self.path.partition("?")[0]])

    def do_DELETE(self) -> None:
        self.objects.pop(self.path.partition("?")[0], None)
        self._answer(b"", 204)

    def do_POST(self) -> None:
        event = json.loads(json.loads(self._body())["body"])
        request, inputs = decode_predict_request(urllib3.request("GET", event["inputs_url"]).data)
        answer = encode_predict_response(request.model_spec, {"y": inputs["x"] / 2})
        kind = "application/x-protobuf"
        urllib3.request("PUT", event["outputs_url"], body=answer, headers={"content-type": kind})
        body = json.dumps({"uploaded": {"content_type": kind}})
        headers = {"content-type": "application/json"}
        self._answer(json.dumps({"statusCode": 200, "headers": headers, "body": body}).encode())

    def log_message(self, *_: Any) -> None:
        return

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers["content-length"]))

    def _answer(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_what_is_too_large_goes_by_way_of_the_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    sessions = []
    make_session = boto3.session.Session
    monkeypatch.setattr(boto3.session, "Session", lambda **given: sessions.append(1) or make_session(**given))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _StoreAndFunction) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        here = f"http://127.0.0.1:{server.server_address[1]}"
        bucket = S3Storage("bucket", region="us-east-1", endpoint_url=here)
        with connect(f"lambda+{here}/f", "m", ClientOptions(check_inputs=False, storage=bucket)) as client:
            encoded = client.encode({"x": np.arange(3_000_000, dtype=np.float32)})
            predictions = [client.predict(encoded) for _ in range(2)]
        server.shutdown()

    for prediction in predictions:
        assert prediction.outputs["y"][:3].tolist() == [0, 0.5, 1]
        assert prediction.outputs["y"].shape == (3_000_000,)
        assert prediction.timing.bytes_sent == encoded.size_bytes
    assert not _StoreAndFunction.objects
    assert len(sessions) == 1, "AWS's client takes 0.2 s to make, and is made once"


def test_streams_take_it(models: Path, deploy: Callable[..., str]) -> None:
    target = deploy("cloudrun", "half_plus_two", models).removeprefix("grpc://")
    with GrpcClient(target, "half_plus_two") as client:
        encoded = client.encode({"x": [1]})
        predictions = list(client.predict_stream([encoded, {"x": [2]}, encoded]))

    assert [prediction.outputs["y"].tolist() for prediction in predictions] == [[2.5], [3.0], [2.5]]
