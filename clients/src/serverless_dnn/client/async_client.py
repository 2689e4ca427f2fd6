"""The client's interface for asyncio; each method is that of ``Client``."""

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from numpy.typing import ArrayLike

from serverless_dnn.client.client_base import ClientBase
from serverless_dnn.client.encoded import EncodedRequest
from serverless_dnn.client.options import ClientOptions
from serverless_dnn.client.prediction import Prediction
from serverless_dnn.client.specs import Classification, Regression, Signature, VersionStatus
from serverless_dnn.client.steps import Flow, Pause, Send, Step
from serverless_dnn.client.wire.exchange import Example, Request, Response

_ResultT = TypeVar("_ResultT")


class AsyncTransport(Protocol):
    """Sends requests; several event loops may share it."""

    async def send(self, request: Request, timeout_s: float, options: ClientOptions) -> Response:
        """Send a request and wait for its response; raises ClientError."""
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...


class AsyncClient(ClientBase[AsyncTransport]):
    """Calls one model; made by ``connect_async``, with or without a running event loop. Also a context manager."""

    async def predict(
        self,
        inputs: Mapping[str, ArrayLike] | EncodedRequest,
        *,
        version: int | None = None,
        label: str | None = None,
        signature: str | None = None,
        outputs: Sequence[str] | None = None,
        timeout_s: float | None = None,
    ) -> Prediction:
        """Run the model; see ``Client.predict``."""
        address = self._flows.address.of_call(version, label, signature, outputs)
        return await self._run(self._flows.predict(inputs, address, timeout_s))

    async def encode(
        self,
        inputs: Mapping[str, ArrayLike],
        *,
        version: int | None = None,
        label: str | None = None,
        signature: str | None = None,
        outputs: Sequence[str] | None = None,
        timeout_s: float | None = None,
    ) -> EncodedRequest:
        """Encode a request that ``predict`` takes in place of inputs; see ``Client.encode``."""
        address = self._flows.address.of_call(version, label, signature, outputs)
        return await self._run(self._flows.encode(inputs, address, timeout_s))

    async def classify(
        self, examples: Sequence[Example], *, signature: str | None = None, timeout_s: float | None = None
    ) -> Classification:
        """Classify examples, given as features by name; raises ClientError."""
        address = self._flows.address.of_call(None, None, signature, None)
        return await self._run(self._flows.classify(examples, address, timeout_s))

    async def regress(
        self, examples: Sequence[Example], *, signature: str | None = None, timeout_s: float | None = None
    ) -> Regression:
        """Find a value for each example, given as features by name; raises ClientError."""
        address = self._flows.address.of_call(None, None, signature, None)
        return await self._run(self._flows.regress(examples, address, timeout_s))

    async def signatures(self, *, timeout_s: float | None = None) -> dict[str, Signature]:
        """The model's signatures by name; raises ClientError."""
        return await self._run(self._flows.signatures(self._flows.address, timeout_s))

    async def versions(self, *, timeout_s: float | None = None) -> list[VersionStatus]:
        """The state of the model's versions, newest first; raises ClientError."""
        return await self._run(self._flows.versions(timeout_s))

    async def ready(self, *, timeout_s: float | None = None) -> bool:
        """Whether the model answers requests; False if the server cannot be reached."""
        return await self._run(self._flows.ready(timeout_s))

    async def wait_until_ready(self, timeout_s: float) -> None:
        """Wait until the model answers requests; raises DeadlineError if it does not in time."""
        await self._run(self._flows.wait_until_ready(timeout_s))

    async def close(self) -> None:
        """Close the connection; can be done twice. A variant leaves it to the client it was made from."""
        self._is_closed = True
        if not self._is_variant:
            self._flows.close()
            await self._transport.close()

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the client."""
        await self.close()

    async def _run(self, flow: Flow[_ResultT]) -> _ResultT:
        self._check_open()
        try:
            step = next(flow)
            while True:
                try:
                    result = await self._do(step)
                except BaseException as error:  # noqa: BLE001 - the flow decides, and cleans up
                    step = flow.throw(error)
                else:
                    step = flow.send(result)
        except StopIteration as stop:
            ended: _ResultT = stop.value
            return ended

    async def _do(self, step: Step) -> Any:
        if isinstance(step, Send):
            return await self._transport.send(step.request, step.timeout_s, self._flows.options)
        if isinstance(step, Pause):
            return await asyncio.sleep(step.duration_s)
        return await asyncio.to_thread(step.do)
