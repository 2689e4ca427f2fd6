"""TensorFlow Serving's gRPC services, and our own name beside them, on ``grpc.aio``."""

import asyncio
from collections.abc import AsyncIterator

import grpc

from serverless_dnn.protos.v1 import (
    model_metadata_pb2,
    model_spec_pb2,
    model_status_pb2,
    prediction_service_pb2,
    status_pb2,
)
from serverless_dnn.runtime.codecs import predict_proto
from serverless_dnn.runtime.errors import InvalidArgumentError, ServingError, status_of
from serverless_dnn.runtime.grpc_calls import Context, GrpcCalls, Handlers, cut_message, deadline_of, parse_message
from serverless_dnn.runtime.model_info import model_metadata, model_status
from serverless_dnn.runtime.predictor import predict
from serverless_dnn.runtime.repository import ModelRepository
from serverless_dnn.runtime.servable import Servable
from serverless_dnn.runtime.timing import PhaseTimer

PREDICTION_SERVICES = ("tensorflow.serving.PredictionService", "serverless_dnn.protos.v1.PredictionService")
MODEL_SERVICE = "tensorflow.serving.ModelService"
# Requests of one stream that may be in work at once; more wait in the transport, which slows the sender down.
_STREAM_WINDOW = 16


class GrpcService:
    """Answers the calls for a repository's models.

    Args:
        repository: The models.
        calls: Runs them.
        max_body_bytes: The largest array to make from a message.
    """

    def __init__(self, repository: ModelRepository, calls: GrpcCalls, *, max_body_bytes: int) -> None:
        self._repository = repository
        self._calls = calls
        self._max_body_bytes = max_body_bytes

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        """The handlers to register, by the full names of their services."""
        methods: Handlers = {
            "Predict": self._calls.unary(self._predict),
            "GetModelMetadata": self._calls.unary(self._get_model_metadata),
        }
        own: Handlers = {"PredictStream": grpc.stream_stream_rpc_method_handler(self._predict_stream)}
        status: Handlers = {"GetModelStatus": self._calls.unary(self._get_model_status)}
        tensorflow_name, own_name = PREDICTION_SERVICES
        return (
            grpc.method_handlers_generic_handler(tensorflow_name, methods),
            grpc.method_handlers_generic_handler(own_name, methods | own),
            grpc.method_handlers_generic_handler(MODEL_SERVICE, status),
        )

    def _servable(self, spec: model_spec_pb2.ModelSpec) -> Servable:
        version = spec.version.value if spec.HasField("version") else None
        return self._repository.get(spec.name, version, spec.version_label or None)

    def _predict(self, body: bytes, timer: PhaseTimer, deadline_ns: int | None) -> bytes:
        with timer.phase("decode"):
            request, inputs = predict_proto.decode_predict_request(body, max_bytes=self._max_body_bytes)
            if not request.HasField("model_spec"):
                raise InvalidArgumentError("Missing ModelSpec")
            servable = self._servable(request.model_spec)
            signature = servable.signature(request.model_spec.signature_name)
        outputs = predict(servable, signature, inputs, timer, request.output_filter, deadline_ns=deadline_ns)
        with timer.phase("encode"):
            return predict_proto.encode_predict_response(servable, signature, outputs)

    def _get_model_metadata(self, body: bytes, _timer: PhaseTimer, _deadline_ns: int | None) -> bytes:
        request = parse_message(model_metadata_pb2.GetModelMetadataRequest, body)
        if not request.HasField("model_spec"):
            raise InvalidArgumentError("Missing ModelSpec")
        return model_metadata(self._servable(request.model_spec), request.metadata_field).SerializeToString()

    def _get_model_status(self, body: bytes, _timer: PhaseTimer, _deadline_ns: int | None) -> bytes:
        request = parse_message(model_status_pb2.GetModelStatusRequest, body)
        if not request.HasField("model_spec"):
            raise InvalidArgumentError("Missing ModelSpec")
        spec = request.model_spec
        version = spec.version.value if spec.HasField("version") else None
        return model_status(self._repository, spec.name, version).SerializeToString()

    async def _predict_stream(self, bodies: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        """Answer a stream in its order, with several requests in work at once."""
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
            answer.response.MergeFromString(await self._calls.in_thread(work, body, timer, deadline_ns))
        except ServingError as error:
            code = status_pb2.Code.ValueType(status_of(error).code)
            answer.status.CopyFrom(status_pb2.StatusProto(error_code=code, error_message=cut_message(str(error))))
        answer.server_timing = self._calls.server_timing(timer)
        return answer.SerializeToString()
