"""A model in another process: any server of TensorFlow Serving's gRPC API, over TCP or a unix socket."""

from collections.abc import Mapping
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

_PREDICT = "/tensorflow.serving.PredictionService/Predict"
_GET_MODEL_STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
_OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
# TensorFlow Serving starts in seconds; a server alongside this one may be starting at the same time.
_START_TIMEOUT_S = 60.0
# The other process has its own threads; here calls only wait.
_CALLS_PER_CPU = 4


class RemoteModel:
    """One version of a model, run by another process that has the same model loaded.

    Args:
        name: The model's name there.
        version: Its version.
        options: The process's address (``remote_target``) and the timeout of a call (``remote_timeout_s``); the other
            options are up to that process.
        instance: Records the time spent waiting for it.
        reason: Why this engine was chosen.

    Raises:
        FailedPreconditionError: No target is given, or it does not serve this version.
        UnavailableError: The target does not respond.
    """

    def __init__(self, name: str, version: int, options: EngineOptions, instance: Instance, reason: str = "") -> None:
        if not options.remote_target:
            raise FailedPreconditionError(
                "engine remote needs a target: --remote-target HOST:PORT or unix:/PATH, where a server of TensorFlow "
                "Serving's gRPC API listens"
            )
        self._target = options.remote_target
        self._spec = model_spec_pb2.ModelSpec(name=name)
        self._spec.version.value = version
        self._longest_s = options.remote_timeout_s
        self._channel = grpc.insecure_channel(self._target, _OPTIONS)
        self._predict: Any = self._channel.unary_unary(_PREDICT)
        with instance.starting("load"):
            self._wait_until_served()
        self.info = EngineInfo("remote", self._target, options.precision, effective_cpus(), reason)
        self.concurrency = _CALLS_PER_CPU * effective_cpus()

    def run(
        self, signature: Signature, inputs: Mapping[str, NDArray[Any]], deadline: Deadline = FOREVER
    ) -> dict[str, NDArray[Any]]:
        """Run a signature remotely; see ``LoadedModel.run``."""
        spec = model_spec_pb2.ModelSpec(signature_name=signature.name)
        spec.MergeFrom(self._spec)
        try:
            answer = self._predict(encode_predict_request(spec, inputs, []), timeout=self._timeout_s(deadline))
            _, outputs = decode_predict_response(answer, max_bytes=max(DEFAULT_MAX_BYTES, len(answer)))
        except grpc.RpcError as error:
            raise error_of_code(error.code().value[0], f"{error.details()}") from error
        except (DecodeError, TensorCodecError) as error:
            raise DataLossError(f"the answer of {self._target} is not well formed: {error}") from error
        return outputs

    def _timeout_s(self, deadline: Deadline) -> float:
        left_s = deadline.left_s()
        return self._longest_s if left_s is None else min(left_s, self._longest_s)

    def _wait_until_served(self) -> None:
        request = model_status_pb2.GetModelStatusRequest(model_spec=self._spec)
        ask: Any = self._channel.unary_unary(
            _GET_MODEL_STATUS,
            request_serializer=model_status_pb2.GetModelStatusRequest.SerializeToString,
            response_deserializer=model_status_pb2.GetModelStatusResponse.FromString,
        )
        try:
            response = ask(request, timeout=_START_TIMEOUT_S, wait_for_ready=True)
        except grpc.RpcError as error:
            if error.code() in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE):
                raise UnavailableError(
                    f"no server of TensorFlow Serving's gRPC API answers at {self._target}"
                ) from None
            raise FailedPreconditionError(f"{self._target} does not serve this model: {error.details()}") from None
        states = [status.state for status in response.model_version_status]
        if model_status_pb2.ModelVersionStatus.AVAILABLE not in states:
            names = ", ".join(model_status_pb2.ModelVersionStatus.State.Name(state) for state in states)
            raise FailedPreconditionError(f"{self._target} has this model, but not available: {names or 'no version'}")
