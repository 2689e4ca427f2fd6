"""Calls with pre-encoded bytes: the client adds little, and with gRPC the same on both sides."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import NamedTuple

import grpc
import numpy as np
from numpy.typing import NDArray
from open_inference import METHOD, decode_infer_response, encode_infer_request

from serverless_dnn.client.model import ModelAddress
from serverless_dnn.client.wire.messages import decode_response, encode_request

Call = Callable[[], bytes]
"""Sends one request and returns the response body; thread-safe."""

MODEL = "model"
"""The name under which every server serves its model."""

TIMEOUT_S = 60.0
"""How long a call may take."""

_CHANNEL_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # Retry a server that is still starting soon.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 200),
]


@dataclass(frozen=True)
class Payload:
    """What is sent to a model with one input and one output.

    Attributes:
        label: Label of its rows: the model's name, or the payload's size.
        input_name: The model's input.
        array: Its value.
    """

    label: str
    input_name: str
    array: NDArray[np.float32]


class Protocol(NamedTuple):
    """How to talk to a server.

    Attributes:
        open: Prepares a call to a server at an address (``host:port`` or another gRPC target); the stack closes it.
        decode: Decodes the values of a response, float32, flat.
    """

    open: Callable[[ExitStack, str, Payload], Call]
    decode: Callable[[bytes], NDArray[np.float32]]


def _open_predict(running: ExitStack, address: str, payload: Payload) -> Call:
    body = encode_request(ModelAddress(MODEL), {payload.input_name: payload.array})
    return _grpc_call(running, address, "/tensorflow.serving.PredictionService/Predict", body)


def _decode_predict(body: bytes) -> NDArray[np.float32]:
    (output,) = decode_response(body)[0].values()
    return output.ravel()


def _open_open_inference(running: ExitStack, address: str, payload: Payload) -> Call:
    return _grpc_call(running, address, METHOD, encode_infer_request(MODEL, payload.input_name, payload.array))


def _grpc_call(running: ExitStack, address: str, method: str, body: bytes) -> Call:
    channel = running.enter_context(grpc.insecure_channel(address, _CHANNEL_OPTIONS))
    send: Callable[..., bytes] = channel.unary_unary(method)
    return lambda: send(body, timeout=TIMEOUT_S)


def _open_raw_http(_: ExitStack, address: str, payload: Payload) -> Call:
    body = payload.array.tobytes()
    headers = {"x-shape": ",".join(str(length) for length in payload.array.shape)}
    # HTTP/1.1 serves one request at a time per connection, so each thread has its own, closed when the thread ends.
    of_thread = threading.local()

    def call() -> bytes:
        connection: HTTPConnection | None = getattr(of_thread, "connection", None)
        if connection is None:
            connection = of_thread.connection = HTTPConnection(address, timeout=TIMEOUT_S)
        try:
            connection.request("POST", "/raw/predict", body, headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, HTTPException):
            connection.close()
            raise
        if answer.status != 200:
            raise HTTPException(f"{answer.status} {content[:200]!r}")
        return content

    return call


PREDICT = Protocol(_open_predict, _decode_predict)
"""TensorFlow Serving's gRPC API, which ours implements too."""
OPEN_INFERENCE = Protocol(_open_open_inference, decode_infer_response)
"""The Open Inference Protocol's gRPC API, with raw contents."""
RAW_HTTP = Protocol(_open_raw_http, lambda body: np.frombuffer(body, np.float32))
"""An array's bytes over HTTP, as ``peers/bentoml_service.py`` expects them."""
CALL_ERRORS: tuple[type[Exception], ...] = (grpc.RpcError, OSError, HTTPException)
"""The exceptions a failing call raises."""
