"""A model in other processes: any servers of TensorFlow Serving's gRPC API, over TCP or unix sockets."""

import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from serverless_dnn.protos.predict_wire import decode_predict_response, encode_predict_request
from serverless_dnn.protos.tensor import DEFAULT_MAX_BYTES, TensorCodecError
from serverless_dnn.protos.v1 import model_spec_pb2, model_status_pb2
from serverless_dnn.runtime.cpus import effective_cpus
from serverless_dnn.runtime.deadline import FOREVER, Deadline
from serverless_dnn.runtime.engines.base import EngineInfo
from serverless_dnn.runtime.errors import DataLossError, FailedPreconditionError, UnavailableError, error_of_code
from serverless_dnn.runtime.saved_model.signature import Signature
from serverless_dnn.runtime.settings import EngineOptions
from serverless_dnn.runtime.timing import Instance

_log = logging.getLogger(__name__)
_PREDICT = "/tensorflow.serving.PredictionService/Predict"
_GET_MODEL_STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A process that is started again should be found again at once; by default gRPC waits for up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]
# TensorFlow Serving starts in seconds; a server alongside this one may be starting at the same time.
_START_TIMEOUT_S = 60.0
# The other process has its own threads; here calls only wait.
_CALLS_PER_CPU = 4


class _Target:
    """One process.

    Args:
        address: Where it listens.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.channel = grpc.insecure_channel(address, _OPTIONS)
        self.predict: Any = self.channel.unary_unary(_PREDICT)
        self.running = 0


class RemoteModel:
    """One version of a model, run by other processes that have the same model loaded.

    Args:
        name: The model's name there.
        version: Its version.
        options: The processes' addresses (``remote_target``) and the timeout of a call (``remote_timeout_s``); the
            other options are up to those processes.
        instance: Records the time spent waiting for them.
        reason: Why this engine was chosen.

    Raises:
        FailedPreconditionError: No target is given, or one does not serve this version.
        UnavailableError: A target does not respond.
    """

    def __init__(self, name: str, version: int, options: EngineOptions, instance: Instance, reason: str = "") -> None:
        if not options.remote_target:
            raise FailedPreconditionError(
                "engine remote needs a target: --remote-target HOST:PORT or unix:/PATH, where a server of TensorFlow "
                "Serving's gRPC API listens"
            )
        self._targets = [_Target(address.strip()) for address in options.remote_target.split(",")]
        self._turn = itertools.count()
        self._spec = model_spec_pb2.ModelSpec(name=name)
        self._spec.version.value = version
        self._longest_s = options.remote_timeout_s
        with instance.loading():
            for target in self._targets:
                self._wait_until_served(target)
        self.info = EngineInfo("remote", options.remote_target, options.precision, effective_cpus(), reason)
        self.concurrency = _CALLS_PER_CPU * effective_cpus() * len(self._targets)

    def run(
        self, signature: Signature, inputs: Mapping[str, NDArray[Any]], deadline: Deadline = FOREVER
    ) -> dict[str, NDArray[Any]]:
        """Run a signature remotely; see ``LoadedModel.run``."""
        spec = model_spec_pb2.ModelSpec(signature_name=signature.name)
        spec.MergeFrom(self._spec)
        request = encode_predict_request(spec, inputs, [])
        for target, is_last in self._in_turn():
            target.running += 1
            try:
                answer = target.predict(request, timeout=self._timeout_s(deadline))
                _, outputs = decode_predict_response(answer, max_bytes=max(DEFAULT_MAX_BYTES, len(answer)))
            except grpc.RpcError as error:
                # A prediction changes nothing, so another process may answer what one could not.
                if error.code() is grpc.StatusCode.UNAVAILABLE and not is_last:
                    _log.warning("a model server is away: asking another", extra={"target": target.address})
                    continue
                raise error_of_code(error.code().value[0], _details(error, target.address)) from error
            except (DecodeError, TensorCodecError) as error:
                raise DataLossError(f"the answer of {target.address} is not well formed: {error}") from error
            finally:
                target.running -= 1
            return outputs
        raise AssertionError("the last target answers or raises")

    def _in_turn(self) -> "Iterator[tuple[_Target, bool]]":
        """The targets, the least busy one first, and whether each is the last."""
        first = next(self._turn)
        turn = [self._targets[(first + number) % len(self._targets)] for number in range(len(self._targets))]
        order: Sequence[_Target] = sorted(turn, key=lambda target: target.running)
        return ((target, number == len(order)) for number, target in enumerate(order, 1))

    def _timeout_s(self, deadline: Deadline) -> float:
        left_s = deadline.left_s()
        return self._longest_s if left_s is None else min(left_s, self._longest_s)

    def _wait_until_served(self, target: _Target) -> None:
        request = model_status_pb2.GetModelStatusRequest(model_spec=self._spec)
        ask: Any = target.channel.unary_unary(
            _GET_MODEL_STATUS,
            request_serializer=model_status_pb2.GetModelStatusRequest.SerializeToString,
            response_deserializer=model_status_pb2.GetModelStatusResponse.FromString,
        )
        try:
            response = ask(request, timeout=_START_TIMEOUT_S, wait_for_ready=True)
        except grpc.RpcError as error:
            if error.code() in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE):
                raise UnavailableError(
                    f"no server of TensorFlow Serving's gRPC API answers at {target.address}"
                ) from None
            raise FailedPreconditionError(f"{target.address} does not serve this model: {error.details()}") from None
        states = [status.state for status in response.model_version_status]
        if model_status_pb2.ModelVersionStatus.AVAILABLE not in states:
            names = ", ".join(model_status_pb2.ModelVersionStatus.State.Name(state) for state in states)
            raise FailedPreconditionError(
                f"{target.address} has this model, but not available: {names or 'no version'}"
            )


def _details(error: Any, address: str) -> str:
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        return f"the model server at {address} is away: {error.details()}"
    return f"{error.details()}"
