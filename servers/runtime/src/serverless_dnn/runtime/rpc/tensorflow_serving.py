"""TensorFlow Serving's gRPC services, and our own name beside them, on ``grpc.aio``."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import grpc

from serverless_dnn.protos.v1 import (
    classification_pb2,
    model_config_pb2,
    model_metadata_pb2,
    model_status_pb2,
    multi_inference_pb2,
    prediction_service_pb2,
    regression_pb2,
    status_pb2,
)
from serverless_dnn.runtime.codecs import predict_proto
from serverless_dnn.runtime.errors import InvalidArgumentError, ServingError, status_of
from serverless_dnn.runtime.inference.classify_regress import classify, multi_inference, regress
from serverless_dnn.runtime.inference.predictor import predict
from serverless_dnn.runtime.inference.servable import Servable, servable_spec
from serverless_dnn.runtime.repository.configuration import check_allowed, model_configs
from serverless_dnn.runtime.repository.model_info import find_servable, model_metadata, model_status
from serverless_dnn.runtime.repository.model_repository import ModelRepository
from serverless_dnn.runtime.rpc.calls import (
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
# Requests of one stream that may be in work at once; more wait in the transport, which slows the sender down.
_STREAM_WINDOW = 16


class GrpcService:
    """Answers the calls for a repository's models.

    Args:
        repository: The models.
        calls: Runs them.
        max_body_bytes: The largest array to make from a message.
        reload_folders: Below these a new configuration may name models; none takes no new configuration.
    """

    def __init__(
        self,
        repository: ModelRepository,
        calls: GrpcCalls,
        *,
        max_body_bytes: int,
        reload_folders: Sequence[Path] = (),
    ) -> None:
        self._repository = repository
        self._calls = calls
        self._max_body_bytes = max_body_bytes
        self._reload_folders = reload_folders

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        """The handlers to register, by the full names of their services."""
        methods: Handlers = {
            "Predict": self._calls.unary("Predict", self._predict, predicts=True),
            "Classify": self._calls.unary("Classify", self._classify),
            "Regress": self._calls.unary("Regress", self._regress),
            "MultiInference": self._calls.unary("MultiInference", self._multi_inference),
            "GetModelMetadata": self._calls.unary("GetModelMetadata", self._get_model_metadata),
        }
        own: Handlers = {"PredictStream": grpc.stream_stream_rpc_method_handler(self._predict_stream)}
        status: Handlers = {
            "GetModelStatus": self._calls.unary("GetModelStatus", self._get_model_status),
            "HandleReloadConfigRequest": self._calls.unary("HandleReloadConfigRequest", self._reload_config),
        }
        tensorflow_name, own_name = PREDICTION_SERVICES
        return (
            grpc.method_handlers_generic_handler(tensorflow_name, methods),
            grpc.method_handlers_generic_handler(own_name, methods | own),
            grpc.method_handlers_generic_handler(MODEL_SERVICE, status),
            grpc.method_handlers_generic_handler(_OWN_MODEL_SERVICE, status),
        )

    def _predict(self, body: bytes, timer: PhaseTimer, deadline_ns: int | None) -> bytes:
        with timer.phase("decode"):
            request, inputs = predict_proto.decode_predict_request(body, max_bytes=self._max_body_bytes)
            if not request.HasField("model_spec"):
                raise InvalidArgumentError("Missing ModelSpec")
            servable = find_servable(self._repository, request.model_spec)
            signature = servable.signature(request.model_spec.signature_name)
        outputs = predict(servable, signature, inputs, timer, request.output_filter, deadline_ns=deadline_ns)
        with timer.phase("encode"):
            return predict_proto.encode_predict_response(servable.model_name, servable.version, signature.name, outputs)

    def _classify(self, body: bytes, timer: PhaseTimer, deadline_ns: int | None) -> bytes:
        with timer.phase("decode"):
            request = parse_message(classification_pb2.ClassificationRequest, body)
            servable, signature = self._find(request)
        result = classify(servable, signature, request.input, timer, deadline_ns)
        spec = servable_spec(servable, signature.name)
        return classification_pb2.ClassificationResponse(result=result, model_spec=spec).SerializeToString()

    def _regress(self, body: bytes, timer: PhaseTimer, deadline_ns: int | None) -> bytes:
        with timer.phase("decode"):
            request = parse_message(regression_pb2.RegressionRequest, body)
            servable, signature = self._find(request)
        result = regress(servable, signature, request.input, timer, deadline_ns)
        spec = servable_spec(servable, signature.name)
        return regression_pb2.RegressionResponse(result=result, model_spec=spec).SerializeToString()

    def _multi_inference(self, body: bytes, timer: PhaseTimer, deadline_ns: int | None) -> bytes:
        with timer.phase("decode"):
            request = parse_message(multi_inference_pb2.MultiInferenceRequest, body)
        return multi_inference(
            lambda spec: find_servable(self._repository, spec), request, timer, deadline_ns
        ).SerializeToString()

    def _find(
        self, request: classification_pb2.ClassificationRequest | regression_pb2.RegressionRequest
    ) -> tuple[Servable, Signature]:
        if not request.HasField("model_spec"):
            raise InvalidArgumentError("Missing ModelSpec")
        servable = find_servable(self._repository, request.model_spec)
        return servable, servable.signature(request.model_spec.signature_name)

    def _get_model_metadata(self, body: bytes, _timer: PhaseTimer, _deadline_ns: int | None) -> bytes:
        request = parse_message(model_metadata_pb2.GetModelMetadataRequest, body)
        if not request.HasField("model_spec"):
            raise InvalidArgumentError("Missing ModelSpec")
        return model_metadata(
            find_servable(self._repository, request.model_spec), request.metadata_field
        ).SerializeToString()

    def _get_model_status(self, body: bytes, _timer: PhaseTimer, _deadline_ns: int | None) -> bytes:
        request = parse_message(model_status_pb2.GetModelStatusRequest, body)
        if not request.HasField("model_spec"):
            raise InvalidArgumentError("Missing ModelSpec")
        spec = request.model_spec
        version = spec.version.value if spec.HasField("version") else None
        return model_status(self._repository, spec.name, version).SerializeToString()

    def _reload_config(self, body: bytes, _timer: PhaseTimer, _deadline_ns: int | None) -> bytes:
        request = parse_message(model_config_pb2.ReloadConfigRequest, body)
        configs = model_configs(request.config)
        check_allowed(configs, self._reload_folders)
        self._repository.configure(configs)
        response = model_config_pb2.ReloadConfigResponse(status=status_pb2.StatusProto())
        for name in request.metric_names:
            response.metric.add(name=name, int64_value_increase=1)
        return response.SerializeToString()

    async def _predict_stream(self, bodies: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        """Answer a stream in its order, with several requests in work at once."""
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

    async def _answer_in_band(self, body: bytes, deadline_ns: int | None) -> bytes:
        timer = PhaseTimer()
        answer = prediction_service_pb2.PredictStreamResponse()

        def work(body: bytes, timer: PhaseTimer, deadline_ns: int | None) -> bytes:
            with timer.phase("decode"):
                request = parse_message(prediction_service_pb2.PredictStreamRequest, body)
            answer.id = request.id
            return self._predict(request.request.SerializeToString(), timer, deadline_ns)

        try:
            answer.response.MergeFromString(
                await self._calls.work_on("PredictStream", work, body, timer, deadline_ns, predicts=True)
            )
            self._calls.ended("PredictStream", None, timer)
        except ServingError as error:
            self._calls.ended("PredictStream", error, timer)
            code = status_pb2.Code.ValueType(status_of(error).code)
            answer.status.CopyFrom(status_pb2.StatusProto(error_code=code, error_message=cut_message(str(error))))
        answer.server_timing = self._calls.server_timing(timer)
        return answer.SerializeToString()
