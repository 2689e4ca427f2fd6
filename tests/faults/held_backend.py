"""A server of TensorFlow Serving's gRPC API that answers when a test says so: what engine ``remote`` may meet."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc

from serverless_dnn.protos.predict_wire import decode_predict_request, encode_predict_response
from serverless_dnn.protos.v1 import model_status_pb2

_WAIT_S = 60


class HeldBackend:
    """Answers ``y`` = ``x``; calls of the model ``held`` only once they are let go.

    Attributes:
        target: Where it listens.
        let_go: Set it to let every held call go.
    """

    def __init__(self) -> None:
        self.target = ""
        self.let_go = threading.Event()
        self._changed = threading.Condition()
        self._entered = 0
        self._left = 0

    @property
    def entered(self) -> int:
        """How many calls of the model ``held`` arrived."""
        return self._entered

    def wait_entered(self, count: int) -> None:
        """Wait until so many calls of the model ``held`` have arrived."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._entered >= count, _WAIT_S)

    def wait_left(self, count: int) -> None:
        """Wait until so many of their callers have gone, or been answered."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._left >= count, _WAIT_S)

    def predict(self, body: bytes, context: Any) -> bytes:
        """Answer a Predict call."""
        request, inputs = decode_predict_request(body)
        if request.model_spec.name == "held":
            with self._changed:
                self._entered += 1
                self._changed.notify_all()
            context.add_callback(self._leave)
            self.let_go.wait(_WAIT_S)
        return encode_predict_response(request.model_spec, {"y": inputs["x"]})

    def status(self, _body: bytes, _context: Any) -> bytes:
        """Answer that every version of every model is there."""
        response = model_status_pb2.GetModelStatusResponse()
        response.model_version_status.add(version=1, state=model_status_pb2.ModelVersionStatus.AVAILABLE)
        return response.SerializeToString()

    def _leave(self) -> None:
        with self._changed:
            self._left += 1
            self._changed.notify_all()


@contextmanager
def held_backend() -> Iterator[HeldBackend]:
    """Start one on a free port of loopback; held calls are let go at the end."""
    backend = HeldBackend()
    with ThreadPoolExecutor(64) as threads:
        server = grpc.server(threads, options=[("grpc.max_receive_message_length", -1)])
        predict = grpc.unary_unary_rpc_method_handler(backend.predict)
        status = grpc.unary_unary_rpc_method_handler(backend.status)
        server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler("tensorflow.serving.PredictionService", {"Predict": predict}),
                grpc.method_handlers_generic_handler("tensorflow.serving.ModelService", {"GetModelStatus": status}),
            )
        )
        backend.target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        try:
            yield backend
        finally:
            backend.let_go.set()
            server.stop(None)
