"""The gRPC clients, for Cloud Run, Knative, TensorFlow Serving and OpenVINO Model Server."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from serverless_dnn.client.async_client import AsyncClient
from serverless_dnn.client.client import Client
from serverless_dnn.client.errors import RequestError
from serverless_dnn.client.flows import Flows
from serverless_dnn.client.model import ModelAddress
from serverless_dnn.client.options import ClientOptions
from serverless_dnn.client.transports.grpc_aio import AsyncGrpcTransport
from serverless_dnn.client.transports.grpc_channel import GrpcTransport
from serverless_dnn.client.transports.grpc_common import GrpcTarget
from serverless_dnn.client.wire.grpc_api import GrpcApi

if TYPE_CHECKING:
    import grpc
    from numpy.typing import ArrayLike

    from serverless_dnn.client.encoded import EncodedRequest
    from serverless_dnn.client.prediction import Prediction
    from serverless_dnn.client.specs import Classification, ModelConfig, Regression, Task
    from serverless_dnn.client.wire.exchange import Example

_AHEAD = 4
_NOT_HONOURED = (
    *("body_format", "output_name", "output_dtype", "connections", "signer"),
    *("aws_region", "aws_profile", "sign_requests", "storage"),
)


class GrpcClient(Client):
    """Calls one model over one gRPC channel.

    Args:
        target: ``host:port``, or ``unix:/path``.
        model: The model, by name or in full.
        options: The options.
        secure: Use TLS.
        channel: A channel to use instead of one of our own; the caller closes it.
    """

    _transport: GrpcTransport

    def __init__(
        self,
        target: str,
        model: str | ModelAddress,
        options: ClientOptions | None = None,
        *,
        secure: bool = False,
        channel: grpc.Channel | None = None,
    ) -> None:
        flows, place, options = _prepared(target, model, options, secure=secure)
        super().__init__(flows, GrpcTransport(place, options, channel))

    def predict_stream(
        self,
        inputs: Iterable[Mapping[str, ArrayLike] | EncodedRequest],
        *,
        ahead: int = _AHEAD,
        timeout_s: float | None = None,
    ) -> Iterator[Prediction]:
        """Run the model on one input after another, sending the next while the server computes.

        Args:
            inputs: The inputs of each call.
            ahead: How many calls are under way at once.
            timeout_s: How long each call may take.

        Yields:
            Predictions, in the order of the inputs.

        Raises:
            ClientError: A call failed; the ones under way are cancelled.
        """
        if ahead < 1:
            raise RequestError(f"ahead must be at least 1, got {ahead}")
        from concurrent.futures import ThreadPoolExecutor

        under_way: deque[Any] = deque()
        with ThreadPoolExecutor(ahead, "predict-stream") as threads:
            try:
                for each in inputs:
                    under_way.append(threads.submit(self.predict, each, timeout_s=timeout_s))
                    if len(under_way) >= ahead:
                        yield under_way.popleft().result()
                while under_way:
                    yield under_way.popleft().result()
            finally:
                for call in under_way:
                    call.cancel()

    def multi_inference(
        self, tasks: Sequence[Task], examples: Sequence[Example], *, timeout_s: float | None = None
    ) -> list[Classification | Regression]:
        """Classify and regress the same examples in one call; raises ClientError."""
        return self._run(self._flows.multi_inference(tasks, examples, timeout_s))

    def reload_config(self, configs: Sequence[ModelConfig], *, timeout_s: float | None = None) -> None:
        """Tell the server which models to serve, instead of those it serves; raises ClientError."""
        self._run(self._flows.reload_config(configs, timeout_s))


class AsyncGrpcClient(AsyncClient):
    """``GrpcClient`` for asyncio: its channel is made in each event loop that uses it."""

    def __init__(
        self,
        target: str,
        model: str | ModelAddress,
        options: ClientOptions | None = None,
        *,
        secure: bool = False,
    ) -> None:
        flows, place, options = _prepared(target, model, options, secure=secure)
        super().__init__(flows, AsyncGrpcTransport(place, options))

    async def predict_stream(
        self,
        inputs: Iterable[Mapping[str, ArrayLike] | EncodedRequest],
        *,
        ahead: int = _AHEAD,
        timeout_s: float | None = None,
    ) -> AsyncIterator[Prediction]:
        """Run the model on one input after another; see ``GrpcClient.predict_stream``."""
        if ahead < 1:
            raise RequestError(f"ahead must be at least 1, got {ahead}")
        under_way: deque[asyncio.Task[Prediction]] = deque()
        try:
            for each in inputs:
                under_way.append(asyncio.ensure_future(self.predict(each, timeout_s=timeout_s)))
                if len(under_way) >= ahead:
                    yield await under_way.popleft()
            while under_way:
                yield await under_way.popleft()
        finally:
            for call in under_way:
                call.cancel()

    async def multi_inference(
        self, tasks: Sequence[Task], examples: Sequence[Example], *, timeout_s: float | None = None
    ) -> list[Classification | Regression]:
        """See ``GrpcClient.multi_inference``."""
        return await self._run(self._flows.multi_inference(tasks, examples, timeout_s))

    async def reload_config(self, configs: Sequence[ModelConfig], *, timeout_s: float | None = None) -> None:
        """See ``GrpcClient.reload_config``."""
        await self._run(self._flows.reload_config(configs, timeout_s))


def _prepared(
    target: str, model: str | ModelAddress, options: ClientOptions | None, *, secure: bool
) -> tuple[Flows, GrpcTarget, ClientOptions]:
    options = options or ClientOptions()
    place = GrpcTarget(target, secure)
    if options.id_token:
        from serverless_dnn.client.credentials.google import with_id_token

        options = with_id_token(options, f"https://{place.host}")
    flows = Flows(GrpcApi(), ModelAddress.of(model), options, target, secure or not place.host, _NOT_HONOURED)
    return flows, place, options
