"""TensorFlow Serving's gRPC services, and our own name beside them, on ``grpc.aio``.

Messages arrive and leave as bytes, so that parsing and printing them is timed, and happens in a worker thread with the
prediction: the event loop only moves bytes.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from typing import TypeAlias, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

from serverless_dnn.protos.v1 import (
    model_metadata_pb2,
    model_spec_pb2,
    model_status_pb2,
    prediction_service_pb2,
    status_pb2,
)
from serverless_dnn.runtime.codecs import predict_proto
from serverless_dnn.runtime.errors import (
    DeadlineExceededError,
    InternalError,
    InvalidArgumentError,
    ResourceExhaustedError,
    ServingError,
    status_of,
)
from serverless_dnn.runtime.model_info import model_metadata, model_status
from serverless_dnn.runtime.predictor import predict
from serverless_dnn.runtime.repository import ModelRepository
from serverless_dnn.runtime.servable import Servable
from serverless_dnn.runtime.timing import Instance, PhaseTimer

_log = logging.getLogger(__name__)
PREDICTION_SERVICES = ("tensorflow.serving.PredictionService", "serverless_dnn.protos.v1.PredictionService")
MODEL_SERVICE = "tensorflow.serving.ModelService"
# Requests of one stream that may be in work at once; more wait in the transport, which slows the sender down.
_STREAM_WINDOW = 16
# TensorFlow Serving cuts longer messages (tensorflow_serving/util/.../grpc_status_util).
_MAX_MESSAGE_CHARACTERS = 1024

# grpc's classes are generic in their type stubs alone.
_Handlers: TypeAlias = "dict[str, grpc.RpcMethodHandler[bytes, bytes]]"
_Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"
_MessageT = TypeVar("_MessageT", bound=Message)
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class GrpcService:
    """Answers the calls for a repository's models.

    Args:
        repository: The models.
        instance: Names this process in every answer.
        executor: Threads to predict in.
        max_body_bytes: The largest array to make from a message.
        concurrency: The most calls in work or waiting at once.
    """

    def __init__(
        self,
        repository: ModelRepository,
        instance: Instance,
        executor: Executor,
        *,
        max_body_bytes: int,
        concurrency: int,
    ) -> None:
        self._repository = repository
        self._instance = instance
        self._executor = executor
        self._max_body_bytes = max_body_bytes
        self._concurrency = concurrency
        # Counted on the event loop alone.
        self._in_work = 0

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        """The handlers to register, by the full names of their services."""
        methods: _Handlers = {
            "Predict": grpc.unary_unary_rpc_method_handler(self._unary(self._predict)),
            "GetModelMetadata": grpc.unary_unary_rpc_method_handler(self._unary(self._get_model_metadata)),
        }
        own: _Handlers = {"PredictStream": grpc.stream_stream_rpc_method_handler(self._predict_stream)}
        status: _Handlers = {"GetModelStatus": grpc.unary_unary_rpc_method_handler(self._unary(self._get_model_status))}
        tensorflow_name, own_name = PREDICTION_SERVICES
        return (
            grpc.method_handlers_generic_handler(tensorflow_name, methods),
            grpc.method_handlers_generic_handler(own_name, methods | own),
            grpc.method_handlers_generic_handler(MODEL_SERVICE, status),
        )

    def _unary(
        self, work: Callable[[bytes, PhaseTimer, int | None], bytes]
    ) -> Callable[[bytes, _Context], Awaitable[bytes]]:
        async def handle(body: bytes, context: _Context) -> bytes:
            timer = PhaseTimer()
            try:
                answer = await self._in_thread(work, body, timer, _deadline_ns(context))
            except ServingError as error:
                code, message = _CODES[status_of(error).code], _cut(str(error))
                await context.abort(code, message, self._metadata(timer))
            context.set_trailing_metadata(self._metadata(timer))
            return answer

        return handle

    async def _in_thread(
        self,
        work: Callable[[bytes, PhaseTimer, int | None], bytes],
        body: bytes,
        timer: PhaseTimer,
        deadline_ns: int | None,
    ) -> bytes:
        if self._in_work >= self._concurrency:
            raise ResourceExhaustedError(
                f"{self._in_work} calls are in work or waiting, as many as this instance takes at once"
            )
        queued_ns = time.perf_counter_ns()

        def run() -> bytes:
            started_ns = time.perf_counter_ns()
            timer.add("queue", started_ns - queued_ns)
            if deadline_ns is not None and deadline_ns <= started_ns:
                raise DeadlineExceededError("the deadline passed before a thread was free")
            return work(body, timer, deadline_ns)

        self._in_work += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, run)
        except ServingError:
            raise
        except Exception as error:
            _log.exception("a call failed through a fault of this server")
            raise InternalError("internal error: the server's log has the details") from error
        finally:
            self._in_work -= 1

    def _metadata(self, timer: PhaseTimer) -> tuple[tuple[str, str]]:
        return (("server-timing", self._instance.server_timing(timer)),)

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
        request = _parse(model_metadata_pb2.GetModelMetadataRequest, body)
        if not request.HasField("model_spec"):
            raise InvalidArgumentError("Missing ModelSpec")
        return model_metadata(self._servable(request.model_spec), request.metadata_field).SerializeToString()

    def _get_model_status(self, body: bytes, _timer: PhaseTimer, _deadline_ns: int | None) -> bytes:
        request = _parse(model_status_pb2.GetModelStatusRequest, body)
        if not request.HasField("model_spec"):
            raise InvalidArgumentError("Missing ModelSpec")
        spec = request.model_spec
        version = spec.version.value if spec.HasField("version") else None
        return model_status(self._repository, spec.name, version).SerializeToString()

    async def _predict_stream(self, bodies: AsyncIterator[bytes], context: _Context) -> AsyncIterator[bytes]:
        """Answer a stream in its order, with several requests in work at once."""
        window: asyncio.Queue[asyncio.Task[bytes] | None] = asyncio.Queue(_STREAM_WINDOW)

        async def read() -> None:
            async for body in bodies:
                await window.put(asyncio.create_task(self._answer_in_band(body, _deadline_ns(context))))
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
                request = _parse(prediction_service_pb2.PredictStreamRequest, body)
            answer.id = request.id
            return self._predict(request.request.SerializeToString(), timer, deadline_ns)

        try:
            answer.response.MergeFromString(await self._in_thread(work, body, timer, deadline_ns))
        except ServingError as error:
            code = status_pb2.Code.ValueType(status_of(error).code)
            answer.status.CopyFrom(status_pb2.StatusProto(error_code=code, error_message=_cut(str(error))))
        answer.server_timing = self._instance.server_timing(timer)
        return answer.SerializeToString()


def _deadline_ns(context: _Context) -> int | None:
    remaining_s = context.time_remaining()
    return None if remaining_s is None else time.perf_counter_ns() + int(remaining_s * 1e9)


def _parse(message_type: type[_MessageT], body: bytes) -> _MessageT:
    try:
        return message_type.FromString(body)
    except DecodeError as error:
        raise InvalidArgumentError(f"the body is not a {message_type.DESCRIPTOR.name}: {error}") from None


def _cut(message: str) -> str:
    if len(message) <= _MAX_MESSAGE_CHARACTERS:
        return message
    mark = "...TRUNCATED"
    return message[: _MAX_MESSAGE_CHARACTERS - len(mark)] + mark
