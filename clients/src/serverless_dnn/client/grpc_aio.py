"""The gRPC client for asyncio."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio
from numpy.typing import ArrayLike

from serverless_dnn.client.grpc_client import PREDICT, GrpcOptions, client_error, server_timing
from serverless_dnn.client.messages import ModelAddress, decode_response, encode_request
from serverless_dnn.client.prediction import Prediction, Timing


class AsyncGrpcClient:
    """Calls one model over one channel from one event loop; takes the arguments of ``GrpcClient``."""

    def __init__(self, target: str, model: str | ModelAddress, options: GrpcOptions | None = None) -> None:
        self._target = target
        self._address = model if isinstance(model, ModelAddress) else ModelAddress(model)
        self._options = options or GrpcOptions()
        arguments = self._options.channel_options()
        self._channel = (
            grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(), arguments)
            if self._options.secure
            else grpc.aio.insecure_channel(target, arguments)
        )
        self._predict: Any = self._channel.unary_unary(PREDICT)

    async def predict(self, inputs: Mapping[str, ArrayLike], *, timeout_s: float | None = None) -> Prediction:
        """Run the model once; see ``Client.predict``."""
        begin_ns = time.perf_counter_ns()
        timeout_s = self._options.timeout_s if timeout_s is None else timeout_s
        body = encode_request(self._address, inputs)
        sent_ns = time.perf_counter_ns()
        call = self._predict(body, timeout=timeout_s, metadata=self._options.metadata())
        try:
            answer = await call
            trailing = await call.trailing_metadata()
        except grpc.aio.AioRpcError as error:
            raise client_error(error, self._target, timeout_s) from None
        received_ns = time.perf_counter_ns()
        outputs, version = decode_response(answer)
        timing = Timing.between(
            (begin_ns, sent_ns, received_ns, time.perf_counter_ns()),
            bytes_sent=len(body),
            bytes_received=len(answer),
            server=server_timing(trailing),
        )
        return Prediction(outputs, timing, version)

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the client."""
        await self.close()
