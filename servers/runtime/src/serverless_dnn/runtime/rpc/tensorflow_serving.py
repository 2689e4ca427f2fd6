"""TensorFlow Serving's gRPC services on ``grpc.aio``, also registered under our own package name."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TypeAlias

import grpc

from serverless_dnn.protos.v1 import (
    classification_pb2,
    model_config_pb2,
    model_metadata_pb2,
    model_spec_pb2,
    model_status_pb2,
    multi_inference_pb2,
    predict_pb2,
    prediction_service_pb2,
    regression_pb2,
    status_pb2,
)
from serverless_dnn.protos.wire_format import LENGTH_DELIMITED, walk_fields
from serverless_dnn.runtime.codecs import examples_proto, predict_proto
from serverless_dnn.runtime.deadline import Deadline
from serverless_dnn.runtime.errors import InvalidArgumentError, ServingError, status_of
from serverless_dnn.runtime.inference.classify_regress import classify, multi_inference, regress
from serverless_dnn.runtime.inference.predictor import check_inputs, predict_checked
from serverless_dnn.runtime.inference.servable import Servable, servable_spec
from serverless_dnn.runtime.repository.configuration import check_allowed, model_configs
from serverless_dnn.runtime.repository.model_info import find_servable, model_metadata, model_status
from serverless_dnn.runtime.repository.model_repository import ModelRepository
from serverless_dnn.runtime.rpc.calls import (
    Call,
    Context,
    GrpcCalls,
    Handlers,
    cut_message,
    deadline_of,
    enter_call,
    parse_message,
)
from serverless_dnn.runtime.saved_model.signature import Signature
from serverless_dnn.runtime.timing import PhaseTimer

PREDICTION_SERVICES = ("tensorflow.serving.PredictionService", "serverless_dnn.protos.v1.PredictionService")
MODEL_SERVICE = "tensorflow.serving.ModelService"
_OWN_MODEL_SERVICE = "serverless_dnn.protos.v1.ModelService"
# How many requests of one stream may be in flight at once; more wait in the transport, which slows the sender down.
_STREAM_WINDOW = 16
_MAX_CONFIG_BYTES = 1 << 20
_STREAMED_REQUEST = prediction_service_pb2.PredictStreamRequest.REQUEST_FIELD_NUMBER
_Asks: TypeAlias = (
    predict_pb2.PredictRequest | classification_pb2.ClassificationRequest | regression_pb2.RegressionRequest
)


class GrpcService:
    """Serves the calls for a repository's models.

    Args:
        repository: The models.
        calls: Runs them.
        reload_folders: A new configuration may name models below these; if empty, configurations are rejected.
    """

    def __init__(
        self,
        repository: ModelRepository,
        calls: GrpcCalls,
        *,
        reload_folders: Sequence[Path] = (),
    ) -> None:
        self._repository = repository
        self._calls = calls
        self._reload_folders = reload_folders

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        """The handlers to register, by the full names of their services."""
        methods: Handlers = {
            "Predict": self._calls.unary("Predict", self._predict),
            "Classify": self._calls.unary("Classify", self._classify),
            "Regress": self._calls.unary("Regress", self._regress),
            "MultiInference": self._calls.unary("MultiInference", self._multi_inference),
            "GetModelMetadata": self._calls.at_once(self._get_model_metadata, "GetModelMetadata"),
        }
        own: Handlers = {"PredictStream": grpc.stream_stream_rpc_method_handler(self._predict_stream)}
        status: Handlers = {
            "GetModelStatus": self._calls.at_once(self._get_model_status, "GetModelStatus"),
            "HandleReloadConfigRequest": self._calls.unary("HandleReloadConfigRequest", self._reload_config),
        }
        tensorflow_name, own_name = PREDICTION_SERVICES
        return (
            grpc.method_handlers_generic_handler(tensorflow_name, methods),
            grpc.method_handlers_generic_handler(own_name, methods | own),
            grpc.method_handlers_generic_handler(MODEL_SERVICE, status),
            grpc.method_handlers_generic_handler(_OWN_MODEL_SERVICE, status),
        )

    def _predict(self, body: bytes, call: Call) -> bytes:
        with call.timer.phase("decode"):
            request, tensors = predict_proto.split_predict_request(body, call.budget)
            servable, signature = self._find(request, call)
            inputs = predict_proto.decode_inputs(tensors, lambda given: check_inputs(signature, given), call.budget)
        outputs = predict_checked(
            servable, signature, inputs, call.timer, request.output_filter, deadline=call.deadline
        )
        with call.timer.phase("encode"):
            return predict_proto.encode_predict_response(servable.model_name, servable.version, signature.name, outputs)

    def _classify(self, body: bytes, call: Call) -> bytes:
        with call.timer.phase("decode"):
            examples_proto.check_examples(body, "ClassificationRequest", call.budget)
            request = parse_message(classification_pb2.ClassificationRequest, body)
            servable, signature = self._find(request, call)
        result = classify(servable, signature, request.input, call.timer, call.deadline)
        spec = servable_spec(servable, signature.name)
        return classification_pb2.ClassificationResponse(result=result, model_spec=spec).SerializeToString()

    def _regress(self, body: bytes, call: Call) -> bytes:
        with call.timer.phase("decode"):
            examples_proto.check_examples(body, "RegressionRequest", call.budget)
            request = parse_message(regression_pb2.RegressionRequest, body)
            servable, signature = self._find(request, call)
        result = regress(servable, signature, request.input, call.timer, call.deadline)
        spec = servable_spec(servable, signature.name)
        return regression_pb2.RegressionResponse(result=result, model_spec=spec).SerializeToString()

    def _multi_inference(self, body: bytes, call: Call) -> bytes:
        with call.timer.phase("decode"):
            examples_proto.check_examples(body, "MultiInferenceRequest", call.budget)
            request = parse_message(multi_inference_pb2.MultiInferenceRequest, body)

        def find(spec: model_spec_pb2.ModelSpec) -> Servable:
            servable = find_servable(self._repository, spec)
            call.timer.model = servable.model_name
            return servable

        return multi_inference(find, request, call.timer, call.deadline).SerializeToString()

    def _find(self, request: _Asks, call: Call) -> tuple[Servable, Signature]:
        """The model and signature a request names; failures count against that model from here on."""
        if not request.HasField("model_spec"):
            raise InvalidArgumentError("Missing ModelSpec")
        servable = find_servable(self._repository, request.model_spec)
        call.timer.model = servable.model_name
        return servable, servable.signature(request.model_spec.signature_name)

    def _get_model_metadata(self, body: bytes) -> bytes:
        request = parse_message(model_metadata_pb2.GetModelMetadataRequest, body)
        if not request.HasField("model_spec"):
            raise InvalidArgumentError("Missing ModelSpec")
        return model_metadata(
            find_servable(self._repository, request.model_spec), request.metadata_field
        ).SerializeToString()

    def _get_model_status(self, body: bytes) -> bytes:
        request = parse_message(model_status_pb2.GetModelStatusRequest, body)
        if not request.HasField("model_spec"):
            raise InvalidArgumentError("Missing ModelSpec")
        spec = request.model_spec
        version = spec.version.value if spec.HasField("version") else None
        return model_status(self._repository, spec.name, version).SerializeToString()

    def _reload_config(self, body: bytes, _call: Call) -> bytes:
        if len(body) > _MAX_CONFIG_BYTES:
            raise InvalidArgumentError(f"a configuration must be at most {_MAX_CONFIG_BYTES} bytes, got {len(body)}")
        request = parse_message(model_config_pb2.ReloadConfigRequest, body)
        configs = model_configs(request.config)
        check_allowed(configs, self._reload_folders)
        self._repository.configure(configs)
        response = model_config_pb2.ReloadConfigResponse(status=status_pb2.StatusProto())
        for name in request.metric_names:
            response.metric.add(name=name, int64_value_increase=1)
        return response.SerializeToString()

    async def _predict_stream(self, bodies: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        """Answer a stream in order, with several requests in flight at once."""
        enter_call(context)
        window: asyncio.Queue[asyncio.Task[bytes] | None] = asyncio.Queue(_STREAM_WINDOW)

        async def read() -> None:
            async for body in bodies:
                await window.put(asyncio.create_task(self._answer_in_band(body, deadline_of(context))))
            await window.put(None)

        reader = asyncio.create_task(read())
        try:
            while (answer := await window.get()) is not None:
                yield await answer
            await reader
        finally:
            reader.cancel()

    async def _answer_in_band(self, body: bytes, deadline: Deadline) -> bytes:
        timer = PhaseTimer()
        answer = prediction_service_pb2.PredictStreamResponse()

        def work(body: bytes, call: Call) -> bytes:
            with call.timer.phase("decode"):
                answer.id, request = _split_stream_request(body)
            return self._predict(request, call)

        try:
            answer.response.MergeFromString(await self._calls.work_on(work, body, timer, deadline))
            self._calls.ended("PredictStream", None, timer)
        except ServingError as error:
            self._calls.ended("PredictStream", error, timer)
            code = status_pb2.Code.ValueType(status_of(error).code)
            answer.status.CopyFrom(status_pb2.StatusProto(error_code=code, error_message=cut_message(str(error))))
        answer.server_timing = self._calls.server_timing(timer)
        return answer.SerializeToString()


def _split_stream_request(body: bytes) -> tuple[int, bytes]:
    """The id of a streamed request, and the bytes of the PredictRequest in it, which is not parsed here."""
    view = memoryview(body)
    requests, rest = list[memoryview](), list[memoryview]()
    try:
        for field in walk_fields(view, 0, len(view)):
            if field.number == _STREAMED_REQUEST and field.wire_type == LENGTH_DELIMITED:
                requests.append(view[field.value : field.end])
            else:
                rest.append(view[field.begin : field.end])
            if len(requests) + len(rest) > _STREAM_WINDOW:
                raise InvalidArgumentError("the body is not a PredictStreamRequest: it has too many fields")
    except ValueError as error:
        raise InvalidArgumentError(f"the body is not a PredictStreamRequest: {error}") from None
    head = parse_message(prediction_service_pb2.PredictStreamRequest, b"".join(rest))
    return head.id, b"".join(requests)
