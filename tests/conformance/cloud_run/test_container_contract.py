"""`sdnn-cloudrun` keeps Cloud Run's container contract: port, identity, health, drain, TLS, tokens, logs, traces."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import urllib3
from google.auth import crypt, jwt
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from serverless_dnn.client import ClientOptions, GrpcClient, ServerError, StatusCode, connect

X = {"x": np.float32([1, 2])}
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(scope="module")
def key(make_key: Callable[[], Any]) -> Any:
    """A private key and a certificate for localhost that it signed itself."""
    return make_key()


@pytest.fixture
def http_server() -> Iterator[Callable[[Callable[[Any], tuple[int, dict[str, str], bytes]]], str]]:
    """Start a small HTTP server that answers with a function; gives host:port."""
    servers = []

    def start(answer: Callable[[Any], tuple[int, dict[str, str], bytes]]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, headers, body = answer(self)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def start(models: Path, start_server: Callable[..., Any]) -> Callable[..., Any]:
    """Start sdnn-cloudrun with a folder of models; gives host:port and the process."""

    def start_cloudrun(folder: Path = models / "half_plus_two", **variables: str) -> Any:
        return start_server(
            "sdnn-cloudrun", **{"SDNN_MODEL_BASE_PATH": str(folder), "SDNN_ENGINE": "openvino", **variables}
        )

    return start_cloudrun


def _predict(target: str, model: str = "half_plus_two", **options: Any) -> Any:
    with GrpcClient(target, model, ClientOptions(allow_plaintext_token=True, **options)) as client:
        return client.predict(X, timeout_s=30)


def _in_flight(metrics_port: int) -> float:
    text = urllib3.request("GET", f"http://127.0.0.1:{metrics_port}/metrics").data.decode()
    return float(next(line for line in text.splitlines() if line.startswith("sdnn_requests_in_flight ")).split()[1])


def _log(process: Any) -> list[dict[str, Any]]:
    lines = process.log_path.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith('{"severity"')]


def test_the_metadata_server_names_the_instance(start: Callable[..., Any], http_server: Callable[..., str]) -> None:
    def answer(request: Any) -> tuple[int, dict[str, str], bytes]:
        assert request.headers["Metadata-Flavor"] == "Google"
        known = {
            "/computeMetadata/v1/instance/id": b"00f46b92",
            "/computeMetadata/v1/project/project-id": b"my-project",
        }
        return 200, {"Metadata-Flavor": "Google"}, known[request.path]

    host = http_server(answer)
    target, _ = start(K_SERVICE="dnn", K_REVISION="dnn-1", GCE_METADATA_HOST=host)
    assert _predict(target).timing.server.instance == "00f46b92"


@pytest.mark.parametrize(
    "reply", [(404, {}, b"no"), (200, {}, b"an impostor"), None], ids=["404", "impostor", "nobody"]
)
def test_without_a_metadata_server_an_instance_names_itself(
    reply: Any, start: Callable[..., Any], http_server: Callable[..., str]
) -> None:
    host = "127.0.0.1:1" if reply is None else http_server(lambda _request: reply)
    target, _ = start(K_SERVICE="dnn", GCE_METADATA_HOST=host)

    assert len(_predict(target).timing.server.instance) == 12


def _health(channel: grpc.Channel, service: str) -> str:
    status = (
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service), timeout=30).status
    )
    return health_pb2.HealthCheckResponse.ServingStatus.Name(status)


def test_health_of_the_server_its_services_and_each_model(models: Path, start: Callable[..., Any]) -> None:
    target, _ = start(models, SDNN_ENGINE="auto")
    with grpc.insecure_channel(target) as channel:
        for service in ("", "tensorflow.serving.PredictionService", "PredictionService", "half_plus_two", "pair"):
            assert _health(channel, service) == "SERVING"
        with pytest.raises(grpc.RpcError) as raised:
            _health(channel, "nope")
        assert raised.value.code() is grpc.StatusCode.NOT_FOUND


def test_reflection_describes_the_services(start: Callable[..., Any]) -> None:
    target, _ = start()
    with grpc.insecure_channel(target) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        services = set(database.get_services())
        file = database.FindFileContainingSymbol("tensorflow.serving.PredictionService")
        open_inference = database.FindFileContainingSymbol("inference.GRPCInferenceService")

    assert {
        "tensorflow.serving.PredictionService",
        "tensorflow.serving.ModelService",
        "grpc.health.v1.Health",
    } <= services
    methods = {service.name: {method.name for method in service.method} for service in file.service}
    assert methods["PredictionService"] == {"Predict", "Classify", "Regress", "MultiInference", "GetModelMetadata"}
    assert methods["ModelService"] == {"GetModelStatus", "HandleReloadConfigRequest"}
    assert "ModelInfer" in {method.name for method in open_inference.service[0].method}
    hidden, _ = start(SDNN_REFLECTION="false")
    with grpc.insecure_channel(hidden) as channel, pytest.raises(grpc.RpcError):
        list(ProtoReflectionDescriptorDatabase(channel).get_services())


def test_tls(start: Callable[..., Any], key: Any, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(key.private_pem)
    (tmp_path / "certificate.pem").write_bytes(key.certificate_pem)
    target, _ = start(
        SDNN_TLS_CERTIFICATE_FILE=str(tmp_path / "certificate.pem"), SDNN_TLS_KEY_FILE=str(tmp_path / "key.pem")
    )
    address = target.replace("127.0.0.1", "localhost")
    credentials = grpc.ssl_channel_credentials(key.certificate_pem)
    with grpc.secure_channel(address, credentials) as channel:
        prediction = GrpcClient(address, "half_plus_two", channel=channel).predict(X, timeout_s=30)
        assert prediction.outputs["y"].tolist() == [2.5, 3]
    with pytest.raises(Exception, match=r"(?i)unavailable|connect|failed"):
        _predict(target)


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        ({"SDNN_TLS_KEY_FILE": "/nope"}, "TLS needs both a certificate file and a key file"),
        ({"SDNN_TLS_KEY_FILE": "/nope", "SDNN_TLS_CERTIFICATE_FILE": "/nope"}, "cannot read /nope"),
        ({"SDNN_BATCHING_PARAMETERS_FILE": "/nope"}, "without --enable-batching"),
        ({"SDNN_TOKEN_AUDIENCE": "a"}, "--token-audience needs --allowed-identities"),
        ({"SDNN_ALLOWED_IDENTITIES": "a"}, "give --token-audience"),
        ({"SDNN_READY_FILE": "/nope/ready"}, "cannot write the ready file /nope/ready: /nope is not a folder"),
        ({"SDNN_HOST": "no.such.host.invalid"}, "cannot listen on no.such.host.invalid:0: the host is not known"),
        ({"SDNN_CONCURRENCY": "0"}, "SDNN_CONCURRENCY'): expected a whole number of at least 1, got '0'"),
        ({"SDNN_POLL_WAIT_S": "soon"}, "SDNN_POLL_WAIT_S'): expected a number of seconds, 0 or more, got 'soon'"),
        ({"SDNN_METRICS_PORT": "x"}, "SDNN_METRICS_PORT'): expected a whole number from 0 to 65535, got 'x'"),
    ],
)
def test_settings_that_cannot_be_served(
    variables: dict[str, str], text: str, models: Path, run_command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = run_command(
        "sdnn-cloudrun",
        **({"SDNN_MODEL_BASE_PATH": str(models / "pair"), "SDNN_HOST": "127.0.0.1", "PORT": "0"} | variables),
    )

    assert done.returncode in (1, 2)
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_identity_tokens(start: Callable[..., Any], key: Any, http_server: Callable[..., str]) -> None:
    certificates = json.dumps({"one": key.certificate_pem.decode()}).encode()
    host = http_server(lambda _request: (200, {}, certificates))
    target, _ = start(
        SDNN_TOKEN_AUDIENCE="https://dnn.example, other",
        SDNN_ALLOWED_IDENTITIES="Caller@dnn.example, 1234",
        SDNN_TOKEN_CERTS_URL=f"http://{host}/certs",
    )
    signer = crypt.RSASigner.from_string(key.private_pem, "one")

    def token(**changes: Any) -> str:
        now = int(time.time())
        claims = {"iss": "https://accounts.google.com", "aud": "https://dnn.example", "iat": now, "exp": now + 600}
        claims |= {"sub": "5678", "email": "caller@dnn.example", "email_verified": True}
        return jwt.encode(signer, {**claims, **changes}).decode()

    assert _predict(target, token=token).outputs["y"].tolist() == [2.5, 3]
    assert _predict(target, token=lambda: token(aud="other")).outputs["y"].tolist() == [2.5, 3]
    refused = {
        "needs an identity token": None,
        "Token expired": lambda: token(iat=1, exp=2),
        "wrong audience": lambda: token(aud="https://nope"),
        "issuer is https://nope": lambda: token(iss="https://nope"),
        "Could not verify token signature": lambda: token()[:-8] + "AAAAAAAA",
        "not valid": lambda: "nonsense",
    }
    for text, give in refused.items():
        with pytest.raises(ServerError) as raised:
            _predict(target, token=give)
        assert raised.value.code is StatusCode.UNAUTHENTICATED
        assert text in raised.value.message
    assert _predict(target, token=lambda: token(email="", sub="1234")).outputs["y"].tolist() == [2.5, 3]
    strangers = {"mallory@dnn.example": {"email": "mallory@dnn.example"}, "5678": {"email_verified": False}}
    for name, claims in strangers.items():
        with pytest.raises(ServerError, match=f"{name} is not among those that may call") as raised:
            _predict(target, token=lambda claims=claims: token(**claims))
        assert raised.value.code is StatusCode.PERMISSION_DENIED
    with grpc.insecure_channel(target) as channel:
        assert _health(channel, "") == "SERVING"


def test_any_identity_is_let_in_only_where_that_is_said(
    start: Callable[..., Any], key: Any, http_server: Callable[..., str]
) -> None:
    certificates = json.dumps({"one": key.certificate_pem.decode()}).encode()
    host = http_server(lambda _request: (200, {}, certificates))
    target, _ = start(
        SDNN_TOKEN_AUDIENCE="a", SDNN_ALLOW_ANY_IDENTITY="true", SDNN_TOKEN_CERTS_URL=f"http://{host}/certs"
    )
    now = int(time.time())
    claims = {"iss": "accounts.google.com", "aud": "a", "iat": now, "exp": now + 600, "sub": "anyone"}
    token = jwt.encode(crypt.RSASigner.from_string(key.private_pem, "one"), claims).decode()

    assert _predict(target, token=lambda: token).outputs["y"].tolist() == [2.5, 3]


def test_tokens_cannot_be_checked_without_certificates(
    start: Callable[..., Any], http_server: Callable[..., str]
) -> None:
    host = http_server(lambda _request: (500, {}, b""))
    target, process = start(
        SDNN_TOKEN_AUDIENCE="a", SDNN_ALLOW_ANY_IDENTITY="true", SDNN_TOKEN_CERTS_URL=f"http://{host}/certs"
    )

    with pytest.raises(ServerError, match="cannot be checked yet") as raised:
        _predict(target, token=lambda: "a.b.c")

    assert raised.value.code is StatusCode.UNAVAILABLE
    assert "cannot fetch the certificates" in process.log_path.read_text()


def test_metrics_on_a_port_of_their_own(start: Callable[..., Any]) -> None:
    target, process = start(SDNN_METRICS_PORT="0")
    _predict(target)
    port = json.loads(process.ready_file.read_text())["metrics_port"]

    text = urllib3.request("GET", f"http://127.0.0.1:{port}/metrics").data.decode()

    assert 'sdnn_requests_total{method="Predict",model="half_plus_two",status="OK"} 1.0' in text
    assert "sdnn_requests_in_flight 0.0" in text


def test_traces_reach_a_collector(start: Callable[..., Any]) -> None:
    received: futures.Future[Any] = futures.Future()

    class Collector(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(self, request: Any, _context: Any) -> Any:  # noqa: N802 - gRPC's name
            received.set_result(request)
            return trace_service_pb2.ExportTraceServiceResponse()

    with futures.ThreadPoolExecutor(1) as threads:
        collector = grpc.server(threads)
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Collector(), collector)
        port = collector.add_insecure_port("127.0.0.1:0")
        collector.start()
        target, _ = start(
            SDNN_OPENTELEMETRY="true",
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}",
            OTEL_SERVICE_NAME="dnn",
            OTEL_BSP_SCHEDULE_DELAY="100",
        )
        _predict(target, check_inputs=False)
        (spans,) = received.result(30).resource_spans
        collector.stop(None)

    assert "dnn" in {item.value.string_value for item in spans.resource.attributes}
    names = [span.name for scope in spans.scope_spans for span in scope.spans]
    assert names == ["/tensorflow.serving.PredictionService/Predict"]


def test_answers_are_compressed_when_asked(start: Callable[..., Any]) -> None:
    target, _ = start(SDNN_COMPRESSION="gzip")

    assert _predict(target).outputs["y"].tolist() == [2.5, 3]


def test_more_calls_than_the_container_takes_are_refused(models: Path, start: Callable[..., Any]) -> None:
    (batching := models / "batching.txt").write_text(
        "max_batch_size { value: 3 } batch_timeout_micros { value: 600000000 }"
    )
    target, _ = start(
        models / "lookup",
        SDNN_CONCURRENCY="2",
        SDNN_ENABLE_BATCHING="true",
        SDNN_BATCHING_PARAMETERS_FILE=str(batching),
    )
    batching.unlink()
    ids = {"ids": np.int32([[1]])}
    with connect(f"grpc://{target}", "lookup") as client, futures.ThreadPoolExecutor(3) as threads:
        # Two wait for a third to fill their batch; it is one more than the container takes.
        calls = [threads.submit(client.predict, ids, timeout_s=2) for _ in range(3)]
        errors = [call.exception(60) for call in calls]

    codes = sorted(error.code.name if isinstance(error, ServerError) else type(error).__name__ for error in errors)
    assert codes.count("RESOURCE_EXHAUSTED") == 1
    assert "2 requests are running or waiting" in next(
        error.message
        for error in errors
        if isinstance(error, ServerError) and error.code is StatusCode.RESOURCE_EXHAUSTED
    )


def test_sigterm_finishes_what_runs_and_refuses_what_comes(mobilenet: Path, start: Callable[..., Any]) -> None:
    from serverless_dnn.models.workload import make_request

    target, process = start(mobilenet / "mobilenet_v1", SDNN_METRICS_PORT="0")
    metrics_port = json.loads(process.ready_file.read_text())["metrics_port"]
    inputs = {"input": np.repeat(make_request("mobilenet_v1")["input"], 64, 0)}
    with connect(f"grpc://{target}", "mobilenet_v1") as client, futures.ThreadPoolExecutor(4) as threads:
        with grpc.insecure_channel(target) as channel:
            changes = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=60)
            assert next(changes).status == health_pb2.HealthCheckResponse.SERVING
            calls = [threads.submit(client.predict, inputs, timeout_s=60) for _ in range(4)]
            deadline_s = time.monotonic() + 60
            while _in_flight(metrics_port) == 0 and not any(call.done() for call in calls):
                assert time.monotonic() < deadline_s
                time.sleep(0.001)
            os.kill(process.process.pid, signal.SIGTERM)
            assert next(changes).status == health_pb2.HealthCheckResponse.NOT_SERVING
        errors = [error for call in calls if (error := call.exception(60)) is not None]
        answers = [call.result().outputs["predictions"].shape for call in calls if call.exception() is None]

    # A call whose tensor was still on its way is refused; what the server has taken is answered.
    assert answers
    assert answers == [(64, 1000)] * len(answers)
    assert [error.code for error in errors if isinstance(error, ServerError)] == [StatusCode.UNAVAILABLE] * len(errors)
    assert process.process.wait(10) == 0
    drained = next(line for line in _log(process) if line["message"] == "drained")
    assert (drained["accepted"], drained["answered"]) == (len(answers), len(answers))
    assert _log(process)[-1]["message"] == "stopped"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(target.rpartition(":")[2])), 5)
