"""gRPC servers that hang, die, lie, or come back: the right error within the time-out, and a client usable after."""

import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
import numpy as np
import pytest

from serverless_dnn.client import (
    ClientError,
    ClientOptions,
    ConnectError,
    DeadlineError,
    ResponseError,
    RetryPolicy,
    ServerError,
    StatusCode,
    connect,
)
from serverless_dnn.protos.predict_wire import encode_predict_response
from serverless_dnn.protos.v1 import model_spec_pb2, predict_pb2

INPUTS = {"x": np.float32([1])}
UNCHECKED = ClientOptions(check_inputs=False)
# Long enough for a busy machine; each hanging call below would otherwise take its 60 s.
SOON_S = 5.0


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


def test_an_interrupt_while_closing_does_not_hang_the_exit(grpc_server: Callable[..., Any]) -> None:
    code = """
        import os, signal, sys, threading, time
        from serverless_dnn.client import ClientOptions
        from serverless_dnn.client.transports.grpc_channel import GrpcTransport
        from serverless_dnn.client.transports.grpc_common import GrpcTarget

        def interrupt_close(main):
            while True:
                frame = sys._current_frames()[main]
                while frame is not None:
                    if frame.f_code is GrpcTransport.close.__code__:
                        os.kill(os.getpid(), signal.SIGINT)
                        return
                    frame = frame.f_back

        transport = GrpcTransport(GrpcTarget(sys.argv[1], False), ClientOptions())
        transport.connect(30)
        threading.Thread(target=interrupt_close, args=(threading.get_ident(),), daemon=True).start()
        try:
            while True:
                transport.close()
        except KeyboardInterrupt:
            print("interrupted")
        # What hangs the exit is a thread of gRPC's that ended without closing the channel.
        while threading.active_count() > 1:
            time.sleep(0.01)
    """
    port, _ = grpc_server(_good)
    command = [sys.executable, "-c", textwrap.dedent(code), f"127.0.0.1:{port}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted\n", "")


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
