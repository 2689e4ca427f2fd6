"""The client's interface, without asyncio."""

import time
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


class Transport(Protocol):
    """Sends requests; any number of threads may share it."""

    def send(self, request: Request, timeout_s: float, options: ClientOptions) -> Response:
        """Send a request and wait for its response; raises ClientError."""
        ...

    def close(self) -> None:
        """Close its connections."""
        ...


class Client(ClientBase[Transport]):
    """Calls one model; made by ``connect``. Any number of threads may share it. Also a context manager."""

    def predict(
        self,
        inputs: Mapping[str, ArrayLike] | EncodedRequest,
        *,
        version: int | None = None,
        label: str | None = None,
        signature: str | None = None,
        outputs: Sequence[str] | None = None,
        timeout_s: float | None = None,
    ) -> Prediction:
        """Run the model.

        Args:
            inputs: Arrays, lists or numbers by input name; or what ``encode`` returned.
            version: The model's version; the client's own by default, and so with the others.
            label: A label that refers to a version.
            signature: The signature.
            outputs: The outputs wanted.
            timeout_s: How long the call may take in all.

        Returns:
            The outputs by name, and where the time went.

        Raises:
            ClientError: See ``serverless_dnn.client.errors``.
        """
        address = self._flows.address.of_call(version, label, signature, outputs)
        return self._run(self._flows.predict(inputs, address, timeout_s))

    def encode(
        self,
        inputs: Mapping[str, ArrayLike],
        *,
        version: int | None = None,
        label: str | None = None,
        signature: str | None = None,
        outputs: Sequence[str] | None = None,
        timeout_s: float | None = None,
    ) -> EncodedRequest:
        """Encode a request that ``predict`` takes in place of inputs, and sends as often as it is called."""
        address = self._flows.address.of_call(version, label, signature, outputs)
        return self._run(self._flows.encode(inputs, address, timeout_s))

    def classify(
        self, examples: Sequence[Example], *, signature: str | None = None, timeout_s: float | None = None
    ) -> Classification:
        """Classify examples, given as features by name; raises ClientError."""
        address = self._flows.address.of_call(None, None, signature, None)
        return self._run(self._flows.classify(examples, address, timeout_s))

    def regress(
        self, examples: Sequence[Example], *, signature: str | None = None, timeout_s: float | None = None
    ) -> Regression:
        """Find a value for each example, given as features by name; raises ClientError."""
        address = self._flows.address.of_call(None, None, signature, None)
        return self._run(self._flows.regress(examples, address, timeout_s))

    def signatures(self, *, timeout_s: float | None = None) -> dict[str, Signature]:
        """The model's signatures by name; raises ClientError."""
        return self._run(self._flows.signatures(self._flows.address, timeout_s))

    def versions(self, *, timeout_s: float | None = None) -> list[VersionStatus]:
        """The state of the model's versions, newest first; raises ClientError."""
        return self._run(self._flows.versions(timeout_s))

    def ready(self, *, timeout_s: float | None = None) -> bool:
        """Whether the model answers requests; False if the server cannot be reached."""
        return self._run(self._flows.ready(timeout_s))

    def wait_until_ready(self, timeout_s: float) -> None:
        """Wait until the model answers requests; raises DeadlineError if it does not in time."""
        self._run(self._flows.wait_until_ready(timeout_s))

    def close(self) -> None:
        """Close the connection; can be done twice. A variant leaves it to the client it was made from."""
        self._is_closed = True
        if not self._is_variant:
            self._flows.close()
            self._transport.close()

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the client."""
        self.close()

    def _run(self, flow: Flow[_ResultT]) -> _ResultT:
        self._check_open()
        try:
            step = next(flow)
            while True:
                try:
                    result = self._do(step)
                except BaseException as error:  # noqa: BLE001 - the flow decides, and cleans up
                    step = flow.throw(error)
                else:
                    step = flow.send(result)
        except StopIteration as stop:
            ended: _ResultT = stop.value
            return ended

    def _do(self, step: Step) -> Any:
        if isinstance(step, Send):
            return self._transport.send(step.request, step.timeout_s, self._flows.options)
        if isinstance(step, Pause):
            return time.sleep(step.duration_s)
        return step.do()
