"""The gRPC service of the Open Inference Protocol, version 2, used by KServe and Triton clients.

The protocol is https://github.com/kserve/open-inference-protocol. A model is called by its default signature.
"""

import re

import grpc

from serverless_dnn.protos.v1 import open_inference_pb2 as messages
from serverless_dnn.runtime import __version__
from serverless_dnn.runtime.codecs import open_inference
from serverless_dnn.runtime.errors import InvalidArgumentError, NotFoundError
from serverless_dnn.runtime.inference.predictor import check_inputs, predict_checked
from serverless_dnn.runtime.inference.servable import Servable
from serverless_dnn.runtime.repository.model_repository import ModelRepository
from serverless_dnn.runtime.rpc.calls import Call, GrpcCalls, Handlers, parse_message
from serverless_dnn.runtime.saved_model.signature import DEFAULT_SIGNATURE, TensorSpec

OPEN_INFERENCE_SERVICE = "inference.GRPCInferenceService"
SERVER_NAME = "serverless-dnn"
# The name of the format in the protocol's list of platforms.
_PLATFORM = "tensorflow_savedmodel"
# A version is an int64, which has at most 19 digits.
_VERSION = re.compile(r"[0-9]{1,19}")


class OpenInferenceService:
    """Serves the protocol's calls for a repository's models.

    Args:
        repository: The models.
        calls: Runs them.
    """

    def __init__(self, repository: ModelRepository, calls: GrpcCalls) -> None:
        self._repository = repository
        self._calls = calls

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        """The handlers to register, by the full names of their services."""
        methods: Handlers = {
            "ServerLive": self._calls.at_once(self._server_live),
            "ServerReady": self._calls.at_once(self._server_ready),
            "ModelReady": self._calls.at_once(self._model_ready),
            "ServerMetadata": self._calls.at_once(self._server_metadata),
            "ModelMetadata": self._calls.at_once(self._model_metadata),
            "ModelInfer": self._calls.unary("ModelInfer", self._model_infer),
        }
        return (grpc.method_handlers_generic_handler(OPEN_INFERENCE_SERVICE, methods),)

    def _server_live(self, body: bytes) -> bytes:
        parse_message(messages.ServerLiveRequest, body)
        return messages.ServerLiveResponse(live=True).SerializeToString()

    def _server_ready(self, body: bytes) -> bytes:
        parse_message(messages.ServerReadyRequest, body)
        return messages.ServerReadyResponse(ready=bool(self._repository.all())).SerializeToString()

    def _model_ready(self, body: bytes) -> bytes:
        request = parse_message(messages.ModelReadyRequest, body)
        try:
            self._servable(request.name, request.version)
        except NotFoundError:
            # As in Triton: that a model is missing is a valid response to this call, not a failure.
            return messages.ModelReadyResponse(ready=False).SerializeToString()
        return messages.ModelReadyResponse(ready=True).SerializeToString()

    def _server_metadata(self, body: bytes) -> bytes:
        parse_message(messages.ServerMetadataRequest, body)
        return messages.ServerMetadataResponse(name=SERVER_NAME, version=__version__).SerializeToString()

    def _model_metadata(self, body: bytes) -> bytes:
        request = parse_message(messages.ModelMetadataRequest, body)
        servable = self._servable(request.name, request.version)
        signature = servable.signature(DEFAULT_SIGNATURE)
        return messages.ModelMetadataResponse(
            name=servable.model_name,
            versions=[str(held.version) for held in self._repository.all() if held.model_name == servable.model_name],
            platform=_PLATFORM,
            inputs=[_tensor_metadata(spec) for spec in signature.inputs.values()],
            outputs=[_tensor_metadata(spec) for spec in signature.outputs.values()],
        ).SerializeToString()

    def _model_infer(self, body: bytes, call: Call) -> bytes:
        with call.timer.phase("decode"):
            request, given = open_inference.split_infer_request(body, call.budget)
            servable = self._servable(request.model_name, request.model_version)
            call.timer.model = servable.model_name
            signature = servable.signature(DEFAULT_SIGNATURE)
            inputs = open_inference.decode_inputs(given, lambda named: check_inputs(signature, named), call.budget)
        wanted = [output.name for output in request.outputs]
        outputs = predict_checked(servable, signature, inputs, call.timer, wanted, deadline=call.deadline)
        with call.timer.phase("encode"):
            return open_inference.encode_infer_response(servable.model_name, servable.version, request.id, outputs)

    def _servable(self, name: str, version: str) -> Servable:
        if not name:
            raise InvalidArgumentError("a request must name a model")
        if version and not _VERSION.fullmatch(version):
            raise InvalidArgumentError(f"a version must be a decimal number or empty for the newest, got {version!r}")
        return self._repository.get(name, int(version) if version else None)


def _tensor_metadata(spec: TensorSpec) -> messages.ModelMetadataResponse.TensorMetadata:
    # The protocol cannot express an unknown rank; one free dimension comes closest.
    shape = (None,) if spec.shape is None else spec.shape
    return messages.ModelMetadataResponse.TensorMetadata(
        name=spec.name,
        datatype=open_inference.datatype_of(spec.data_type),
        shape=[-1 if size is None else size for size in shape],
    )
