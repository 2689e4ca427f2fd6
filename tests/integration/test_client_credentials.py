"""Who we are, and whom we talk to: certificates of both sides, AWS's signatures, tokens, headers, TensorFlow beside us."""

import re
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import grpc
import numpy as np
import pytest

from serverless_dnn.client import ClientOptions, RequestError, ResponseError, TlsOptions, connect
from serverless_dnn.client.wire.grpc_api import PREDICT
from serverless_dnn.protos.predict_wire import encode_predict_response
from serverless_dnn.protos.v1 import model_spec_pb2

INPUTS = {"x": np.float32([1])}


@pytest.fixture
def pem(make_key: Callable[[], Any], tmp_path: Path) -> dict[str, Path]:
    """Keys and certificates of a server and a client, each its own authority."""
    paths = {}
    for name in ("server", "client"):
        key = make_key()
        for part in ("private", "certificate"):
            paths[f"{name}_{part}"] = tmp_path / f"{name}-{part}.pem"
            paths[f"{name}_{part}"].write_bytes(getattr(key, f"{part}_pem"))
    return paths


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[dict[str, str]]]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        type(self).seen.append({name.lower(): value for name, value in self.headers.items()})
        body = b'{"predictions": [2.5]}'
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture
def http_server() -> Iterator[Callable[..., tuple[int, list[dict[str, str]]]]]:
    """Start an HTTP server, with TLS if it gets a context; gives its port and the headers that it saw."""
    servers = []

    def start(context: ssl.SSLContext | None = None) -> tuple[int, list[dict[str, str]]]:
        handler = type("Handler", (_Handler,), {"seen": []})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return server.server_port, handler.seen

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def mutual_grpc(pem: dict[str, Path]) -> Iterator[int]:
    """A gRPC server that only answers clients with a certificate; gives its port."""

    class Predicting(grpc.GenericRpcHandler):
        def service(self, details: Any) -> Any:
            answer = encode_predict_response(model_spec_pb2.ModelSpec(name="m"), {"y": np.float32([2.5])})
            return grpc.unary_unary_rpc_method_handler(lambda *_: answer) if details.method == PREDICT else None

    with futures.ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads)
        server.add_generic_rpc_handlers((Predicting(),))
        pair = (pem["server_private"].read_bytes(), pem["server_certificate"].read_bytes())
        credentials = grpc.ssl_server_credentials(
            [pair], pem["client_certificate"].read_bytes(), require_client_auth=True
        )
        port = server.add_secure_port("127.0.0.1:0", credentials)
        server.start()
        yield port
        server.stop(None)


@pytest.fixture
def mutual_http(pem: dict[str, Path], http_server: Callable[..., Any]) -> int:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem["server_certificate"], pem["server_private"])
    context.load_verify_locations(pem["client_certificate"])
    context.verify_mode = ssl.CERT_REQUIRED
    port: int = http_server(context)[0]
    return port


@pytest.mark.parametrize("scheme", ["grpcs", "https"])
def test_certificates_of_both_sides(scheme: str, pem: dict[str, Path], mutual_grpc: int, mutual_http: int) -> None:
    url = f"{scheme}://localhost:{mutual_grpc if scheme == 'grpcs' else mutual_http}"
    ours = TlsOptions(pem["server_certificate"], pem["client_certificate"], pem["client_private"])
    nobodys = TlsOptions(pem["server_certificate"])
    untrusted = TlsOptions(None, pem["client_certificate"], pem["client_private"])

    with connect(url, "m", ClientOptions(check_inputs=False, tls=ours)) as client:
        assert next(iter(client.predict(INPUTS).outputs.values())).tolist() == [2.5]
    for tls in (nobodys, untrusted):
        with connect(url, "m", ClientOptions(check_inputs=False, tls=tls)) as client, pytest.raises(ConnectionError):
            client.predict(INPUTS, timeout_s=5)


@pytest.mark.parametrize(
    ("form", "service"), [("lambda+http://127.0.0.1:{}/f", "lambda"), ("sagemaker+http://127.0.0.1:{}/e", "sagemaker")]
)
def test_requests_are_signed_with_awss_credentials(
    form: str, service: str, http_server: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SECRET")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "SESSION")
    port, seen = http_server()
    options = ClientOptions(check_inputs=False, sign_requests=True, aws_region="eu-west-1", headers={"x-own": "1"})

    # The answer is no function's envelope: this is about what was sent.
    with connect(form.format(port), "m", options) as client, suppress(ResponseError):
        client.predict(INPUTS)

    (headers,) = seen
    scope = rf"AWS4-HMAC-SHA256 Credential=AKID/\d{{8}}/eu-west-1/{service}/aws4_request, SignedHeaders=.*x-own"
    assert re.match(scope, headers["authorization"])
    assert headers["x-amz-security-token"] == "SESSION"
    assert headers["x-own"] == "1"


def test_without_credentials_nothing_is_sent(
    http_server: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    port, seen = http_server()
    options = ClientOptions(check_inputs=False, sign_requests=True, aws_region="eu-west-1")

    url = f"sagemaker+http://127.0.0.1:{port}/e"
    with connect(url, "m", options) as client, pytest.raises(RequestError, match="no AWS credentials"):
        client.predict(INPUTS)
    with pytest.raises(RequestError, match="no AWS region"):
        connect("lambda:my-function", "m")
    assert seen == []


def test_a_token_is_asked_for_with_each_call(http_server: Callable[..., Any]) -> None:
    port, seen = http_server()
    tokens = iter(["one", "two"])
    options = ClientOptions(check_inputs=False, token=lambda: next(tokens), allow_plaintext_token=True)

    with connect(f"http://127.0.0.1:{port}", "m", options) as client:
        client.predict(INPUTS)
        client.predict(INPUTS)

    assert [headers["authorization"] for headers in seen] == ["Bearer one", "Bearer two"]


@pytest.mark.parametrize("order", ["tensorflow, serverless_dnn.client", "serverless_dnn.client, tensorflow"])
def test_beside_tensorflow(order: str) -> None:
    code = f"""
import {order}
from serverless_dnn.client.testing import InMemoryServer
from tensorflow.core.framework import tensor_pb2
server = InMemoryServer()
server.serve("m", lambda inputs: inputs)
array = tensorflow.constant([1.0, 2.0]).numpy()
found = server.client("m").predict({{"x": array}}).outputs["x"]
assert tensorflow.make_ndarray(tensorflow.make_tensor_proto(found)).tolist() == [1, 2]
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)

    assert done.returncode == 0, done.stderr
