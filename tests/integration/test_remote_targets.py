"""Targets by URL: what a URL says, real servers called through the client, and how long a connection takes to open."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from serverless_dnn.bench.platforms import PLATFORMS
from serverless_dnn.bench.targets.link import parse_link
from serverless_dnn.bench.targets.link_shaper import LinkShaper
from serverless_dnn.bench.targets.remote import RemoteTarget, connect_ns
from serverless_dnn.client import ClientError, ConnectError, RequestError, connect

if TYPE_CHECKING:
    from serverless_dnn.bench.targets.base import Target


@pytest.mark.parametrize(
    ("url", "platform", "title", "customization", "protocol"),
    [
        ("lambda:my-function", "lambda", "AWS Lambda, my-function", "function", "REST"),
        ("lambda+http://127.0.0.1:9000/sdnn", "lambda", "AWS Lambda, sdnn", "function", "REST"),
        ("https://abc.lambda-url.eu-west-1.on.aws", "lambda", "AWS Lambda, abc.lambda-url.eu-west-1.on.aws", "function", "REST"),
        ("sagemaker:my-endpoint", "sagemaker", "SageMaker Serverless, my-endpoint", "model", "REST"),
        ("sagemaker+http://10.0.0.1:8080", "sagemaker", "SageMaker Serverless, 10.0.0.1:8080", "model", "REST"),
        ("https://dnn-abc.a.run.app", "cloudrun", "Cloud Run, dnn-abc.a.run.app:443", "container", "gRPC"),
        ("grpcs://dnn-abc.a.run.app", "cloudrun", "Cloud Run, dnn-abc.a.run.app:443", "container", "gRPC"),
        ("grpc://10.0.0.1:8500", "grpc", "gRPC server, 10.0.0.1:8500", "", "gRPC"),
        ("unix:/tmp/socket", "grpc", "gRPC server, unix:/tmp/socket", "", "gRPC"),
        ("http://tfserving:8501", "rest", "REST server, tfserving:8501", "", "REST"),
        # A name like a platform's is not its platform.
        ("grpc://run.app.example:8500", "grpc", "gRPC server, run.app.example:8500", "", "gRPC"),
    ],
)  # fmt: skip
def test_the_url_says_what_it_is(url: str, platform: str, title: str, customization: str, protocol: str) -> None:
    target: Target = RemoteTarget(url)
    facts = target.facts

    assert target.url == url
    assert (facts.platform, facts.title) == (platform, title)
    assert (facts.customization, facts.protocol) == (customization, protocol)
    assert (facts.model_server, facts.is_local, dict(facts.limits)) == ("", False, {})
    assert facts.platform in {*PLATFORMS, "grpc", "rest"}
    assert target.records() is None
    assert target.scale_to_zero() is False
    target.stop()


@pytest.mark.parametrize("url", ["lambda", "ftp://host:1", "grpc://host", "http://host:1/path", "http://h:1?q=1", ""])
def test_what_the_client_does_not_take_is_no_target(url: str) -> None:
    with pytest.raises(RequestError, match=r"expected grpc://HOST:PORT.* got"):
        RemoteTarget(url)
    with pytest.raises(RequestError, match=r"expected grpc://HOST:PORT"):
        connect_ns(url)


@pytest.fixture(scope="module")
def server(models: Path, start_server: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A server of half_plus_two, by protocol."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        rest_port = free.getsockname()[1]
    target, _ = start_server(
        "sdnn-model-server",
        "--port=0",
        "--host=127.0.0.1",
        f"--rest_api_port={rest_port}",
        "--model_name=half_plus_two",
        f"--model_base_path={models / 'half_plus_two'}",
    )
    return {"grpc": f"grpc://{target}", "rest": f"http://127.0.0.1:{rest_port}"}


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_a_server_by_url_is_called_and_connected_to(protocol: str, server: dict[str, str], tmp_path: Path) -> None:
    target = RemoteTarget(server[protocol])
    with connect(target.url, "half_plus_two") as client:
        assert client.predict({"x": np.ones(2, np.float32)}).outputs["y"].tolist() == [2.5, 2.5]
    first_ns, second_ns = connect_ns(target.url), connect_ns(target.url)

    assert first_ns is not None
    assert first_ns > 0
    assert second_ns is not None
    assert second_ns > 0


def test_every_connection_over_grpc_is_a_new_one_up_to_its_settings(server: dict[str, str], tmp_path: Path) -> None:
    shaper = LinkShaper(server["grpc"], parse_link("latency=30ms"), tmp_path / "link.log")
    try:
        times_ns = [connect_ns(shaper.url), connect_ns(shaper.url)]
    finally:
        shaper.stop()

    # The connection's round trip, and the server's settings on their way.
    assert all(time_ns is not None and time_ns >= 60_000_000 for time_ns in times_ns)


@pytest.mark.parametrize("url", ["lambda:name", "sagemaker:name"])
def test_aws_own_addresses_are_not_guessed(url: str) -> None:
    assert connect_ns(url) is None


@pytest.fixture
def tls(make_key: Callable[[], Any], tmp_path: Path) -> Iterator[tuple[int, Path, SimpleQueue[str]]]:
    """A server that only shakes hands: its port, its certificate, and what it saw."""
    key = make_key()
    certificate, private = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.write_bytes(key.certificate_pem)
    private.write_bytes(key.private_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, private)
    seen: SimpleQueue[str] = SimpleQueue()

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(connection, server_side=True) as secured:
                    seen.put(secured.version() or "")
                    secured.recv(1)
            except OSError as error:
                seen.put(type(error).__name__)

    with socket.create_server(("localhost", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], certificate, seen
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(30)


def test_tls_is_part_of_it_and_trust_is_the_clients(
    tls: tuple[int, Path, SimpleQueue[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, certificate, seen = tls
    with pytest.raises(ConnectError, match="certificate verify failed"):
        connect_ns(f"https://localhost:{port}")
    assert seen.get(timeout=30).endswith("Error")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    time_ns = connect_ns(f"https://localhost:{port}")

    assert time_ns is not None
    assert time_ns > 0
    assert seen.get(timeout=30).startswith("TLS")


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_a_server_that_is_not_there_is_an_error(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    with pytest.raises(ClientError, match="cannot reach"):
        connect_ns(f"{scheme}://127.0.0.1:{port}", timeout_s=1.0)
