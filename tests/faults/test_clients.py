"""Servers that hang, reset, cut off, lie, or come back: the right error within the time-out, and a client usable after."""

import asyncio
import json
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
import numpy as np
import pytest

from serverless_dnn.client import (
    Client,
    ClientError,
    ClientOptions,
    ConnectError,
    DeadlineError,
    ResponseError,
    RetryPolicy,
    ServerError,
    StatusCode,
    connect,
    connect_async,
)
from serverless_dnn.protos.predict_wire import encode_predict_response
from serverless_dnn.protos.v1 import model_spec_pb2, predict_pb2

INPUTS = {"x": np.float32([1])}
PLAIN = ClientOptions(check_inputs=False, output_name="y")
UNCHECKED = ClientOptions(check_inputs=False)
GOOD = b'{"predictions": [2.5]}'
# Long enough for a busy machine; each hanging call below would otherwise take its 60 s.
SOON_S = 5.0
Answer = Callable[[socket.socket], None]


class Raw:
    """An HTTP server whose answers are whatever bytes it is told to send, one for each request."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.requests = 0
        self.asked = threading.Event()
        raw = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                while _read_request(self.request):
                    raw.requests += 1
                    raw.asked.set()
                    answer = raw.answers.pop(0) if raw.answers else _reply(GOOD)
                    try:
                        answer(self.request)
                    except OSError:
                        return

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


def _read_request(connection: socket.socket) -> bool:
    received = b""
    while b"\r\n\r\n" not in received:
        try:
            piece = connection.recv(65536)
        except OSError:
            return False
        if not piece:
            return False
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return True


def _reply(body: bytes, *head: str, status: str = "200 OK", content_type: str = "application/json") -> Answer:
    lines = [f"HTTP/1.1 {status}", f"content-type: {content_type}", f"content-length: {len(body)}", *head, "", ""]
    text = "\r\n".join(lines).encode() + body
    return lambda connection: connection.sendall(text)


def _hang(connection: socket.socket) -> None:
    connection.recv(1)


def _trickle_head(connection: socket.socket) -> None:
    for letter in b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n" * 100:
        connection.sendall(bytes([letter]))
        time.sleep(0.05)


def _trickle_body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n")
    for _ in range(1000):
        connection.sendall(b" ")
        time.sleep(0.05)


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


def _half(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{")
    connection.shutdown(socket.SHUT_RDWR)


def _raw(data: bytes) -> Answer:
    def send(connection: socket.socket) -> None:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_RDWR)

    return send


@pytest.fixture
def raw() -> Iterator[Raw]:
    made = Raw()
    yield made
    made.server.shutdown()
    made.server.server_close()


HTTP_FAULTS: dict[str, tuple[Answer, type[ClientError], str]] = {
    "hangs": (_hang, DeadlineError, "no answer from http://127.0.0.1"),
    "trickles its head": (_trickle_head, DeadlineError, "no answer from"),
    "trickles its body": (_trickle_body, DeadlineError, "no answer from"),
    "resets": (_reset, ConnectError, "was lost"),
    "closes at once": (_raw(b""), ConnectError, "was lost"),
    "half an answer": (_half, ConnectError, "was lost"),
    "no http": (_raw(b"hello\r\n\r\n"), ConnectError, "was lost"),
    "cut-off json": (_reply(GOOD[:-3]), ResponseError, "not a Predict answer in JSON"),
    "html": (_reply(b"<html>", content_type="text/html"), ResponseError, "of type text/html"),
    "a bare array": (_reply(b"[1]"), ResponseError, "expected an object, got list"),
    "a number": (_reply(b"1"), ResponseError, "expected an object, got int"),
    "ragged rows": (_reply(b'{"predictions": [[1], [1, 2]]}'), ResponseError, "not a Predict answer"),
    "null": (_reply(b'{"predictions": null}'), ResponseError, ""),
    "bad gzip": (_reply(GOOD, "content-encoding: gzip"), ResponseError, "no answer that can be read"),
    "no npy": (_reply(b"abc", content_type="application/x-npy"), ResponseError, "not npy"),
    "no protobuf": (_reply(b"\xff", content_type="application/x-protobuf"), ResponseError, "not a PredictResponse"),
    "503 html": (
        _reply(b"<html>busy", status="503 X", content_type="text/html"),
        ServerError,
        "UNAVAILABLE: <html>busy",
    ),
    "500 empty": (_reply(b"", status="500 X"), ServerError, "status 500 and no message"),
    "418": (_reply(b'{"error": 1}', status="418 X"), ServerError, "INVALID_ARGUMENT"),
    "too large": (_reply(b" " * 100_001), ResponseError, "larger than the 100000 bytes"),
}


@pytest.mark.parametrize("fault", HTTP_FAULTS)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_http_faults(raw: Raw, fault: str, *, is_async: bool) -> None:
    answer, kind, text = HTTP_FAULTS[fault]
    options = ClientOptions(check_inputs=False, output_name="y", max_response_bytes=100_000)
    raw.answers.append(answer)
    begin_s = time.monotonic()
    if is_async:

        async def run() -> tuple[ClientError, Any]:
            async with connect_async(raw.url, "m", options) as client:
                with pytest.raises(ClientError) as raised:
                    await client.predict(INPUTS, timeout_s=0.4)
                assert time.monotonic() - begin_s < SOON_S
                return raised.value, (await client.predict(INPUTS)).outputs["y"]

        error, after = asyncio.run(run())
    else:
        with connect(raw.url, "m", options) as client:
            with pytest.raises(ClientError) as raised:
                client.predict(INPUTS, timeout_s=0.4)
            assert time.monotonic() - begin_s < SOON_S
            error, after = raised.value, client.predict(INPUTS).outputs["y"]

    assert type(error) is kind
    assert text in str(error)
    assert after.tolist() == [2.5]


def _envelope(status: int, body: object, **more: object) -> bytes:
    return json.dumps(
        {"statusCode": status, "headers": {"content-type": "application/json"}, "body": body, **more}
    ).encode()


PLATFORM_FAULTS: dict[str, tuple[str, Answer, type[ClientError], str]] = {
    "424 without a status": (
        "sagemaker+{}/e",
        _reply(b'{"OriginalStatusCode": 0, "OriginalMessage": "x", "Message": "died"}', status="424 X"),
        ServerError,
        "INVALID_ARGUMENT: x",
    ),
    "424 of html": ("sagemaker+{}/e", _reply(b"<html>", status="424 X"), ServerError, "<html>"),
    "424 of a list": ("sagemaker+{}/e", _reply(b"[]", status="424 X"), ServerError, "[]"),
    "424 of a container": (
        "sagemaker+{}/e",
        _reply(b'{"OriginalStatusCode": 404, "OriginalMessage": "{\\"error\\": \\"no m\\"}"}', status="424 X"),
        ServerError,
        "NOT_FOUND: no m",
    ),
    "throttled": (
        "lambda+{}/f",
        _reply(b'{"Message": "Rate Exceeded."}', "x-amzn-requestid: r1", "retry-after: 3", status="429 X"),
        ServerError,
        "RESOURCE_EXHAUSTED: Rate Exceeded.",
    ),
    "a function that fails": (
        "lambda+{}/f",
        _reply(b'{"errorType": "E", "errorMessage": "no"}', "x-amz-function-error: Unhandled"),
        ServerError,
        "INTERNAL: the function failed: E: no",
    ),
    "no envelope": ("lambda+{}/f", _reply(b'{"predictions": [1]}'), ResponseError, "not an HTTP response"),
    "a bare result": ("lambda+{}/f", _reply(b"[]"), ResponseError, "not an HTTP response"),
    "an error inside": ("lambda+{}/f", _reply(_envelope(400, '{"error": "bad"}')), ServerError, "bad"),
    "no base64": ("lambda+{}/f", _reply(_envelope(200, "%", isBase64Encoded=True)), ResponseError, "envelope"),
}


@pytest.mark.parametrize("fault", PLATFORM_FAULTS)
def test_platform_faults(raw: Raw, fault: str) -> None:
    form, answer, kind, text = PLATFORM_FAULTS[fault]
    raw.answers.append(answer)

    with connect(form.format(raw.url), "m", PLAIN) as client, pytest.raises(ClientError) as raised:
        client.predict(INPUTS, timeout_s=5)

    assert type(raised.value) is kind
    assert text in str(raised.value)
    if fault == "throttled":
        assert (raised.value.request_id, raised.value.retry_after_s, raised.value.retry_is_safe) == ("r1", 3, True)


@pytest.mark.parametrize("inputs", [[1, 2], 3, {"x": [[1], [1, 2]]}, {"x": object()}, {"x": {1: 2}}])
def test_what_cannot_be_sent_is_a_request_error(raw: Raw, inputs: Any) -> None:
    with connect(raw.url, "m", PLAIN) as client, pytest.raises(ClientError, match="input"):
        client.predict(inputs)
    assert raw.requests == 0


def test_a_token_that_raises_and_a_closed_client(raw: Raw) -> None:
    def token() -> str:
        raise KeyError("no token")

    options = ClientOptions(check_inputs=False, token=token, allow_plaintext_token=True)
    for url in (raw.url, raw.url.replace("http", "grpc")):
        with (
            connect(url, "m", options) as client,
            pytest.raises(ClientError, match="the token cannot be had: KeyError"),
        ):
            client.predict(INPUTS)
        client.close()
        with pytest.raises(ClientError, match="this client is closed"):
            client.predict(INPUTS)


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_a_name_that_nobody_has(scheme: str) -> None:
    with connect(f"{scheme}://nobody.invalid:1", "m", UNCHECKED) as client, pytest.raises(ConnectError) as raised:
        client.predict(INPUTS, timeout_s=20)
    assert "nobody.invalid" in raised.value.message
    assert raised.value.retry_is_safe


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_the_time_to_connect_has_its_own_limit(scheme: str) -> None:
    with socket.socket() as full:
        # Nobody accepts, and the queue of one is taken: further connections get no answer at all.
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        with socket.create_connection(address), socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(address)
            options = ClientOptions(check_inputs=False, connect_timeout_s=0.3)
            with connect(f"{scheme}://127.0.0.1:{address[1]}", "m", options) as client:
                begin_s = time.monotonic()
                with pytest.raises(ConnectError):
                    client.predict(INPUTS, timeout_s=30)
                assert time.monotonic() - begin_s < SOON_S


def test_retries_are_the_policys(raw: Raw) -> None:
    away = _reply(b'{"error": "away"}', status="503 X")
    options = ClientOptions(check_inputs=False, output_name="y", retries=RetryPolicy(3, initial_delay_s=0.01))
    with connect(raw.url, "m", options) as client:
        raw.answers += [away, away]
        assert client.predict(INPUTS).outputs["y"].tolist() == [2.5]
        assert raw.requests == 3
        raw.answers += [away, away, away]
        with pytest.raises(ServerError, match="away"):
            client.predict(INPUTS)
        assert raw.requests == 6
        # Not in the policy, and not safe: the request may have been processed.
        for once in (_reply(b"{}", status="500 X"), _reset):
            raw.answers.append(once)
            with pytest.raises(ClientError):
                client.predict(INPUTS)
        assert raw.requests == 8


def test_the_time_out_is_for_all_attempts(raw: Raw) -> None:
    patient = _reply(b'{"error": "away"}', "retry-after: 60", status="503 X")
    raw.answers.append(patient)
    with connect(raw.url, "m", ClientOptions(check_inputs=False, retries=RetryPolicy(3))) as client:
        begin_s = time.monotonic()
        with pytest.raises(ServerError, match="away"):
            client.predict(INPUTS, timeout_s=1)
        assert time.monotonic() - begin_s < SOON_S


@pytest.fixture
def grpc_server() -> Iterator[Callable[..., Any]]:
    """Start a gRPC server whose Predict is a function of context; gives its port and the server."""
    with futures.ThreadPoolExecutor(4) as threads:
        servers = []

        def start(answer: Callable[[Any], bytes], port: int = 0) -> tuple[int, grpc.Server]:
            class Predicting(grpc.GenericRpcHandler):
                def service(self, details: Any) -> Any:
                    if details.method.endswith("/Predict"):
                        return grpc.unary_unary_rpc_method_handler(lambda _, context: answer(context))
                    return None

            server = grpc.server(threads)
            server.add_generic_rpc_handlers((Predicting(),))
            bound = server.add_insecure_port(f"127.0.0.1:{port}")
            server.start()
            servers.append(server)
            return bound, server

        yield start
        for server in servers:
            server.stop(None)


def _good(_context: Any = None) -> bytes:
    return encode_predict_response(model_spec_pb2.ModelSpec(name="m"), {"y": np.float32([2.5])})


def _wrong_type(_context: Any) -> bytes:
    response = predict_pb2.PredictResponse()
    response.outputs["y"].dtype = 1
    response.outputs["y"].tensor_shape.dim.add(size=3)
    response.outputs["y"].tensor_content = b"abc"
    return response.SerializeToString()


GRPC_FAULTS: dict[str, tuple[Callable[[Any], bytes], type[ClientError], str]] = {
    "no message": (lambda _: b"\xff\xff", ResponseError, "not a PredictResponse"),
    "a wrong tensor": (_wrong_type, ResponseError, "not a PredictResponse"),
    "too large": (lambda _: b"\0" * 100_001, ResponseError, "larger than this client takes"),
    "away": (lambda c: c.abort(grpc.StatusCode.UNAVAILABLE, "away"), ServerError, "UNAVAILABLE: away"),
    "a bug": (lambda c: c.abort(grpc.StatusCode.INTERNAL, "bug"), ServerError, "INTERNAL: bug"),
    "an exception": (lambda _: 1 // 0, ServerError, "UNKNOWN"),
}


@pytest.mark.parametrize("fault", GRPC_FAULTS)
def test_grpc_faults(grpc_server: Callable[..., Any], fault: str) -> None:
    answer, kind, text = GRPC_FAULTS[fault]
    faults = [answer]

    def once(context: Any) -> bytes:
        return (faults.pop() if faults else _good)(context)

    port, _ = grpc_server(once)

    with connect(
        f"grpc://127.0.0.1:{port}", "m", ClientOptions(check_inputs=False, max_response_bytes=100_000)
    ) as client:
        with pytest.raises(ClientError) as raised:
            client.predict(INPUTS, timeout_s=10)
        assert client.predict(INPUTS).outputs["y"].tolist() == [2.5]

    assert type(raised.value) is kind
    assert text in str(raised.value)


def test_a_grpc_server_that_hangs_dies_and_comes_back(grpc_server: Callable[..., Any]) -> None:
    release = threading.Event()

    def hang(_context: Any) -> bytes:
        release.wait(60)
        return _good()

    port, server = grpc_server(hang)
    with connect(f"grpc://127.0.0.1:{port}", "m", UNCHECKED) as client, futures.ThreadPoolExecutor(1) as threads:
        begin_s = time.monotonic()
        with pytest.raises(DeadlineError, match=r"within 0\.3 s"):
            client.predict(INPUTS, timeout_s=0.3)
        assert time.monotonic() - begin_s < SOON_S

        under_way = threads.submit(client.predict, INPUTS, timeout_s=30)
        while not under_way.running():
            time.sleep(0.001)
        server.stop(None).wait()
        with pytest.raises(ClientError):
            under_way.result(30)
        release.set()
        with pytest.raises(ConnectError):
            client.predict(INPUTS, timeout_s=5)

        grpc_server(_good, port)
        end_s = time.monotonic() + 30
        while True:
            try:
                prediction = client.predict(INPUTS, timeout_s=5)
                break
            except ConnectError:
                assert time.monotonic() < end_s
    assert prediction.outputs["y"].tolist() == [2.5]


def test_grpcs_own_retries(grpc_server: Callable[..., Any]) -> None:
    attempts = []

    def answer(context: Any) -> bytes:
        attempts.append(1)
        return context.abort(grpc.StatusCode.UNAVAILABLE, "away") if len(attempts) < 3 else _good()

    port, _ = grpc_server(answer)
    options = ClientOptions(check_inputs=False, retries=RetryPolicy(3, initial_delay_s=0.01))

    with connect(f"grpc://127.0.0.1:{port}", "m", options) as client:
        assert client.predict(INPUTS).outputs["y"].tolist() == [2.5]
    assert len(attempts) == 3


def test_a_server_that_does_not_tell_signatures_is_asked_once(grpc_server: Callable[..., Any]) -> None:
    port, _ = grpc_server(_good)

    with connect(f"grpc://127.0.0.1:{port}", "m") as client:
        assert _status(client.signatures) is StatusCode.UNIMPLEMENTED
        for _ in range(3):
            assert client.predict(INPUTS).outputs["y"].tolist() == [2.5]
        assert client._flows.known.signatures == {("m", None, None): {}}


def _status(call: Callable[[], Any]) -> StatusCode:
    with pytest.raises(ServerError) as raised:
        call()
    return raised.value.code


def test_cancelled_calls_end_at_once(raw: Raw) -> None:
    async def run(client: Any) -> float:
        raw.answers.append(_hang)
        call = asyncio.create_task(client.predict(INPUTS))
        await asyncio.to_thread(raw.asked.wait, 30)
        begin_s = time.monotonic()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await client.predict(INPUTS)
        await client.close()
        return time.monotonic() - begin_s

    options = ClientOptions(check_inputs=False, output_name="y", connections=1)
    assert asyncio.run(run(connect_async(raw.url, "m", options))) < SOON_S


def test_closing_twice_is_fine(raw: Raw) -> None:
    clients: list[Client] = [connect(form.format(raw.url), "m") for form in ("{}", "lambda+{}/f", "sagemaker+{}/e")]
    for client in (*clients, connect("grpc://127.0.0.1:1", "m")):
        client.close()
        client.close()

    async def run() -> None:
        for form in ("{}", "lambda+{}/f"):
            client = connect_async(form.format(raw.url), "m")
            await client.close()
            await client.close()

    asyncio.run(run())


def test_a_proxy_is_asked_for_what_is_far_away(raw: Raw) -> None:
    proxy = ClientOptions(check_inputs=False, output_name="y", proxy=raw.url)

    # An address of RFC 5737, which nobody has: only a proxy can answer for it.
    with connect("http://203.0.113.1:8501", "m", proxy) as client:
        assert client.predict(INPUTS, timeout_s=10).outputs["y"].tolist() == [2.5]
    assert raw.requests == 1


def test_grpc_asks_the_proxy_too() -> None:
    asked: futures.Future[bytes] = futures.Future()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            asked.set_result(connection.recv(65536))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        options = ClientOptions(check_inputs=False, proxy=f"http://127.0.0.1:{listener.getsockname()[1]}")
        with connect("grpc://203.0.113.1:8500", "m", options) as client, pytest.raises(ConnectError):
            client.predict(INPUTS, timeout_s=10)
    assert asked.result(10).startswith(b"CONNECT 203.0.113.1:8500 HTTP/1.1")
