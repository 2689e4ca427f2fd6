"""URLs lead to clients, failures to the right error, and importing is light."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

import serverless_dnn.client as package
from serverless_dnn.client import (
    ClientOptions,
    ConnectError,
    DeadlineError,
    GrpcClient,
    LambdaClient,
    ModelAddress,
    RequestError,
    ResponseError,
    RestClient,
    SageMakerClient,
    connect,
)

INPUTS = {"x": np.float32([1])}


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("grpc://localhost:8500", GrpcClient),
        ("grpcs://service-abc.a.run.app", GrpcClient),
        ("http://localhost:8501", RestClient),
        ("https://abc.lambda-url.us-east-1.on.aws/", RestClient),
        ("lambda+https://lambda.us-east-1.amazonaws.com/my-function", LambdaClient),
        ("sagemaker+http://127.0.0.1:1/my-endpoint", SageMakerClient),
    ],
)
def test_each_url_has_its_client(url: str, kind: type) -> None:
    with connect(url, "model") as client:
        assert isinstance(client, kind)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8500",
        "ftp://host",
        "grpc://",
        "grpc://host/path",
        "http://h/path",
        "lambda+http://h",
        "lambda+ftp://h/f",
        "http://h?q=1",
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(RequestError, match="grpc://HOST:PORT"):
        connect(url, "model")


def test_a_version_and_a_label_exclude_each_other() -> None:
    with pytest.raises(RequestError, match="not both"):
        ModelAddress("m", version=1, label="stable")


@pytest.mark.parametrize("scheme", ["grpc://{}", "http://{}", "lambda+http://{}/f", "sagemaker+http://{}/e"])
def test_nobody_listens(scheme: str) -> None:
    with socket.socket() as taken:
        # Bound and not listening: nobody else can take the port, and it refuses.
        taken.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{taken.getsockname()[1]}"

        with connect(scheme.format(host), "m") as client, pytest.raises(ConnectError, match=host):
            client.predict(INPUTS, timeout_s=20)


@pytest.mark.parametrize("scheme", ["grpc://{}", "http://{}"])
def test_nobody_answers(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"

        with connect(scheme.format(host), "m") as client, pytest.raises((DeadlineError, ConnectError)):
            client.predict(INPUTS, timeout_s=0.2)


class _Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        type(self).connections.add(self.client_address)
        self.send_response(self.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def http_server() -> Iterator[tuple[str, type]]:
    handler = type("Handler", (_Server,), {"status": 200, "body": b'{"predictions": [1.0]}', "connections": set()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", handler
        server.shutdown()
        thread.join()


def test_one_connection_serves_many_calls(http_server: tuple[str, type]) -> None:
    url, handler = http_server
    with connect(url, "m") as client:
        for _ in range(5):
            prediction = client.predict(INPUTS)

    assert len(handler.connections) == 1
    assert prediction.outputs["predictions"].tolist() == [1.0]
    assert prediction.timing.server is None
    assert prediction.timing.bytes_sent == len(b'{"instances":[1.0]}')
    assert prediction.timing.bytes_received == len(handler.body)
    parts_ns = prediction.timing.encode_ns + prediction.timing.wait_ns + prediction.timing.decode_ns
    assert parts_ns == prediction.timing.total_ns


def test_answers_are_bounded(http_server: tuple[str, type]) -> None:
    url, handler = http_server
    handler.body = b" " * 10_001

    with (
        connect(url, "m", ClientOptions(max_response_bytes=10_000)) as client,
        pytest.raises(ResponseError, match="larger than the 10000"),
    ):
        client.predict(INPUTS)


def test_redirects_are_not_followed(http_server: tuple[str, type]) -> None:
    url, handler = http_server
    handler.status = 302

    with connect(url, "m") as client, pytest.raises(package.ServerError) as raised:
        client.predict(INPUTS)
    assert raised.value.http_status == 302


def test_importing_brings_neither_tensorflow_nor_what_was_not_asked_for() -> None:
    code = """
import sys
import serverless_dnn.client
assert not {"grpc", "urllib3", "tensorflow", "google.protobuf"} & set(sys.modules), "importing alone"
serverless_dnn.client.connect(sys.argv[1], "m")
assert not set(sys.argv[2].split()) & set(sys.modules), "a client"
"""
    for url, others in (
        ("http://h", "grpc tensorflow boto3 botocore"),
        ("grpc://h:1", "urllib3 tensorflow boto3 botocore"),
    ):
        done = subprocess.run([sys.executable, "-c", code, url, others], capture_output=True, text=True, check=False)

        assert done.returncode == 0, done.stderr


def test_what_is_exported_is_there() -> None:
    for name in dir(package):
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError):
        package.nope  # noqa: B018
