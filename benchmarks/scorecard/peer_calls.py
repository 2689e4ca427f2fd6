"""Calls of prepared bytes: what a client adds is little, and with gRPC the same on both sides."""

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

from serverless_dnn.client.messages import ModelAddress, decode_response, encode_request

Call = Callable[[], bytes]
"""Sends one request and gives the body of its answer; from any thread."""

MODEL = "model"
"""The name under which every server has its model."""

TIMEOUT_S = 60.0
"""How long a call may take."""

_CHANNEL_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A server that is still starting is tried again soon.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 200),
]


@dataclass(frozen=True)
class Payload:
    """What is sent to a model of one input and one output.

    Attributes:
        label: Of its rows: the model's name, or the payload's size.
        input_name: The model's input.
        array: Its value.
    """

    label: str
    input_name: str
    array: NDArray[np.float32]


class Protocol(NamedTuple):
    """How a server is spoken to.

    Attributes:
        open: Prepares a call of a server at an address (``host:port`` or what else gRPC takes); the stack closes it.
        decode: The values of an answer, float32, flat.
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
    # HTTP/1.1 takes one request at a time on a connection: each thread has its own, which ends with it.
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
"""TensorFlow Serving's gRPC, and ours."""
OPEN_INFERENCE = Protocol(_open_open_inference, decode_infer_response)
"""The Open Inference Protocol's gRPC, with raw contents."""
RAW_HTTP = Protocol(_open_raw_http, lambda body: np.frombuffer(body, np.float32))
"""An array's bytes by HTTP, as ``peers/bentoml_service.py`` takes them."""
CALL_ERRORS: tuple[type[Exception], ...] = (grpc.RpcError, OSError, HTTPException)
"""What a call raises when it fails."""
