"""What a client does for each of its methods, apart from how it waits: the same for callers with and without asyncio.

A flow is a generator. It yields what is to be done, gets the result, and returns the method's result; a driver does it,
with or without ``await``. See ``client`` and ``async_client``.
"""

import logging
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeVar

from numpy.typing import ArrayLike

from serverless_dnn.client.errors import (
    ClientError,
    ConnectError,
    DeadlineError,
    RequestError,
    ServerError,
    StatusCode,
)
from serverless_dnn.client.inputs import fit_inputs
from serverless_dnn.client.model import ModelAddress
from serverless_dnn.client.options import ClientOptions
from serverless_dnn.client.prediction import Prediction, RawResponse, Timing
from serverless_dnn.client.retries import delay_before_retry
from serverless_dnn.client.specs import Classification, ModelConfig, Regression, Signature, Task, VersionStatus
from serverless_dnn.client.wire.exchange import Example, Outputs, Request, Response, Wire
from serverless_dnn.client.wire.messages import encode_request

_log = logging.getLogger("serverless_dnn.client")
_ResultT = TypeVar("_ResultT")
_DEFAULT_SIGNATURE = "serving_default"
_POLL_S = 0.1
_TOO_LARGE_STATUS = 413
# Servers that say so are up, and have not loaded the model yet.
_NOT_READY = frozenset({StatusCode.NOT_FOUND, StatusCode.UNAVAILABLE, StatusCode.RESOURCE_EXHAUSTED})


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request, and get its response.

    Attributes:
        request: The request.
        timeout_s: How long that may take.
    """

    request: Request
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait.

    Attributes:
        duration_s: How long.
    """

    duration_s: float


@dataclass(frozen=True, slots=True)
class Work:
    """Do something that takes its time, such as storing an object, and get its result.

    Attributes:
        do: Does it.
    """

    do: Callable[[], Any]


Step = Send | Pause | Work
Flow = Generator[Step, Any, _ResultT]


@dataclass
class _Known:
    """What is known of the server, shared by all variants of a client.

    Attributes:
        signatures: By model, version and label.
        is_ours: Whether it is a server of this project, which takes protobuf over HTTP as well; ``None`` if unknown.
    """

    signatures: dict[tuple[str, int | None, str | None], dict[str, Signature]] = field(default_factory=dict)
    is_ours: bool | None = None


@dataclass(frozen=True)
class Flows:
    """The flows of one client.

    Attributes:
        wire: Makes requests, and reads responses.
        address: The client's model.
        options: Its options.
        target: The server, for messages.
        is_private: Whether others cannot read what is sent.
        not_honoured: The options that this client refuses.
        known: What is known of the server.
    """

    wire: Wire
    address: ModelAddress
    options: ClientOptions
    target: str
    is_private: bool = True
    not_honoured: Sequence[str] = ()
    known: _Known = field(default_factory=_Known)

    def __post_init__(self) -> None:
        """Refuse options that cannot be honoured, or would give a token away."""
        self.options.refuse(f"the {self.wire.name} client", self.not_honoured)
        if self.options.token is not None and not self.is_private and not self.options.allow_plaintext_token:
            raise RequestError(
                f"a token would be sent to {self.target} without TLS, for everybody to read: use grpcs:// or https://, "
                "or allow_plaintext_token=True"
            )

    def predict(
        self, inputs: Mapping[str, ArrayLike], address: ModelAddress, timeout_s: float | None
    ) -> Flow[Prediction]:
        """The flow of ``Client.predict``."""
        begin_ns = time.perf_counter_ns()
        end_s = self._end_s(timeout_s)
        if not isinstance(inputs, Mapping):
            raise RequestError(f"inputs must be arrays by name, {{name: array}}, got {type(inputs).__name__}")
        signature = None
        fetched_ns = 0
        if self.options.check_inputs:
            is_new = _key(address) not in self.known.signatures
            signatures = yield from self._known_signatures(address, end_s)
            fetched_ns = time.perf_counter_ns() - begin_ns if is_new else 0
            if signatures:
                signature, inputs = yield from self._fitted(signatures, inputs, address, end_s)
        request = self._predict_request(address, inputs, signature)
        encoded_ns = time.perf_counter_ns()
        answer = yield from self._answered(request, inputs, address, signature, end_s, timeout_s)
        if self.options.check_inputs and _key(address) not in self.known.signatures:
            # It answers, and does not tell: it is not asked before every call.
            self.known.signatures[_key(address)] = {}
        end_ns = time.perf_counter_ns()
        timing = Timing(
            encode_ns=encoded_ns - begin_ns - fetched_ns,
            wait_ns=answer.received.at_ns - encoded_ns + fetched_ns,
            decode_ns=end_ns - answer.received.at_ns,
            total_ns=end_ns - begin_ns,
            bytes_sent=len(request.body),
            bytes_received=answer.received.size_bytes,
            server_text=answer.received.response.server_timing,
        )
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug(
                "predict %s at %s: %d bytes sent, %d received, %.2f ms",
                address.name,
                self.target,
                timing.bytes_sent,
                timing.bytes_received,
                timing.total_ns / 1e6,
            )
        arrays, version = answer.outputs
        return Prediction(arrays, timing, address.name, version, self._kept(answer.received.response))

    def classify(
        self, examples: Sequence[Example], address: ModelAddress, timeout_s: float | None
    ) -> Flow[Classification]:
        """The flow of ``Client.classify``."""
        request = partial(self.wire.classify, address, examples)
        classes, timing = yield from self._timed(request, self.wire.read_classes, timeout_s)
        return Classification(classes, timing, address.name, address.version)

    def regress(self, examples: Sequence[Example], address: ModelAddress, timeout_s: float | None) -> Flow[Regression]:
        """The flow of ``Client.regress``."""
        request = partial(self.wire.regress, address, examples)
        values, timing = yield from self._timed(request, self.wire.read_values, timeout_s)
        return Regression(values, timing, address.name, address.version)

    def signatures(self, address: ModelAddress, timeout_s: float | None) -> Flow[dict[str, Signature]]:
        """The flow of ``Client.signatures``."""
        return (yield from self._fetch_signatures(address, self._end_s(timeout_s), timeout_s))

    def versions(self, timeout_s: float | None) -> Flow[list[VersionStatus]]:
        """The flow of ``Client.versions``."""
        received = yield from self._exchange(self.wire.status(self.address), self._end_s(timeout_s), timeout_s)
        return self.wire.read_versions(received.response)

    def ready(self, timeout_s: float | None) -> Flow[bool]:
        """The flow of ``Client.ready``."""
        try:
            versions = yield from self.versions(timeout_s)
        except (ConnectError, DeadlineError):
            return False
        except ServerError as error:
            if error.code in _NOT_READY:
                return False
            raise
        return any(version.is_available for version in versions)

    def wait_until_ready(self, timeout_s: float) -> Flow[None]:
        """The flow of ``Client.wait_until_ready``."""
        end_s = time.monotonic() + timeout_s
        while True:
            left_s = end_s - time.monotonic()
            if left_s <= 0:
                raise DeadlineError(f"{self.address.name} at {self.target} was not ready within {timeout_s} s")
            if (yield from self.ready(left_s)):
                return
            yield Pause(min(_POLL_S, max(0.0, end_s - time.monotonic())))

    def multi_inference(
        self, tasks: Sequence[Task], examples: Sequence[Example], timeout_s: float | None
    ) -> Flow[list[Classification | Regression]]:
        """The flow of ``GrpcClient.multi_inference``."""
        request = partial(self.wire.multi_inference, self.address, tasks, examples)
        results, _ = yield from self._timed(request, self.wire.read_results, timeout_s)
        return results

    def reload_config(self, configs: Sequence[ModelConfig], timeout_s: float | None) -> Flow[None]:
        """The flow of ``GrpcClient.reload_config``."""
        request = self.wire.reload_config(configs)
        received = yield from self._exchange(request, self._end_s(timeout_s), timeout_s)
        self.wire.read_reloaded(received.response)
        self.known.signatures.clear()

    def _end_s(self, timeout_s: float | None) -> float:
        if timeout_s is not None and not timeout_s > 0:
            raise RequestError(f"timeout_s must be above 0, got {timeout_s}")
        return time.monotonic() + (self.options.timeout_s if timeout_s is None else timeout_s)

    def _kept(self, response: Response) -> RawResponse | None:
        return RawResponse(response.headers, response.body) if self.options.keep_response else None

    def _exchange(self, request: Request, end_s: float, timeout_s: float | None) -> Flow["_Received"]:
        """Send a request, again as the policy says, and take the response out of the platform's envelope."""
        sent = 0
        while True:
            left_s = end_s - time.monotonic()
            if left_s <= 0:
                limit_s = self.options.timeout_s if timeout_s is None else timeout_s
                raise DeadlineError(f"no answer from {self.target} within {limit_s:g} s")
            policy = self.options.retries if request.method != "GRPC" else None
            try:
                sent += 1
                response: Response = yield Send(request, left_s)
                received_ns = time.perf_counter_ns()
                inner = self.wire.unwrap(response)
                if policy is not None:
                    self.wire.check(inner)
            except ClientError as error:
                delay_s = None if policy is None else delay_before_retry(policy, error, sent, end_s - time.monotonic())
                if delay_s is None:
                    raise
                _log.debug("attempt %d at %s failed, another follows in %.2f s: %s", sent, self.target, delay_s, error)
                yield Pause(delay_s)
            else:
                return _Received(inner, len(response.body), received_ns)

    def _timed(
        self, make: Callable[[], Request], read: Callable[[Response], _ResultT], timeout_s: float | None
    ) -> Flow[tuple[_ResultT, Timing]]:
        begin_ns = time.perf_counter_ns()
        end_s = self._end_s(timeout_s)
        request = make()
        sent_ns = time.perf_counter_ns()
        received = yield from self._exchange(request, end_s, timeout_s)
        result = read(received.response)
        stamps_ns = (begin_ns, sent_ns, received.at_ns, time.perf_counter_ns())
        timing = Timing.between(
            stamps_ns,
            bytes_sent=len(request.body),
            bytes_received=received.size_bytes,
            server_text=received.response.server_timing,
        )
        return result, timing

    def _predict_request(
        self, address: ModelAddress, inputs: Mapping[str, ArrayLike], signature: Signature | None
    ) -> Request:
        body_format = self.options.body_format
        if body_format == "auto" and self.known.is_ours:
            body_format = "protobuf"
        return self.wire.predict(address, inputs, body_format, signature)

    def _known_signatures(self, address: ModelAddress, end_s: float) -> Flow[dict[str, Signature] | None]:
        """The signatures; ``None`` if the server does not tell, in which case it has the last word on inputs."""
        key = _key(address)
        if key not in self.known.signatures:
            try:
                yield from self._fetch_signatures(address, end_s, None)
            except ServerError as error:
                _log.debug("%s does not tell the signatures of %s: %s", self.target, address.name, error)
                return None
        return self.known.signatures.get(key)

    def _fetch_signatures(
        self, address: ModelAddress, end_s: float, timeout_s: float | None
    ) -> Flow[dict[str, Signature]]:
        response, _, _ = yield from self._exchange(self.wire.metadata(address), end_s, timeout_s)
        signatures = self.wire.read_signatures(response)
        self.known.signatures[_key(address)] = signatures
        # TensorFlow Serving itself reports no timing, and no instance.
        self.known.is_ours = "instance;" in response.server_timing
        return signatures

    def _fitted(
        self,
        signatures: Mapping[str, Signature],
        inputs: Mapping[str, ArrayLike],
        address: ModelAddress,
        end_s: float,
    ) -> Flow[tuple[Signature, Mapping[str, ArrayLike]]]:
        """The signature, and the inputs as it wants them; a server may have another version by now."""
        try:
            return _fit(signatures, inputs, address)
        except RequestError:
            try:
                again = yield from self._fetch_signatures(address, end_s, None)
            except ClientError:
                again = None
            if again is None or again == signatures:
                raise
        return _fit(again, inputs, address)

    def _answered(
        self,
        request: Request,
        inputs: Mapping[str, ArrayLike],
        address: ModelAddress,
        signature: Signature | None,
        end_s: float,
        timeout_s: float | None,
    ) -> Flow["_Answer"]:
        """Send a Predict request, by way of the storage if it or its response is too large, and read its outputs."""
        limit, storage = self.wire.max_request_bytes, self.options.storage
        if limit is None or len(request.body) <= limit:
            received = yield from self._exchange(request, end_s, timeout_s)
            try:
                return _Answer(self.wire.read_outputs(received.response, address, signature), received)
            except ServerError as error:
                if storage is None or error.http_status != _TOO_LARGE_STATUS:
                    raise
        elif storage is None:
            raise RequestError(
                f"the request takes {len(request.body)} bytes, more than the {limit} that {self.wire.name} takes: send "
                "fewer rows at once, or give the client a storage (S3Storage), where tensors go instead"
            )
        from serverless_dnn.client.credentials.s3 import StoredTensors

        body = encode_request(address, inputs)
        stored: StoredTensors = yield Work(lambda: StoredTensors.put(storage, self.options, body))
        try:
            by_url = self.wire.by_url(address, stored.inputs_url, stored.outputs_url)
            response, _, _ = yield from self._exchange(by_url, end_s, timeout_s)
            content_type = self.wire.read_uploaded(response)
            outputs = yield Work(lambda: stored.read_outputs(self.options.max_response_bytes))
        finally:
            yield Work(stored.delete)
        received = _Received(Response(outputs, response.headers), len(outputs), time.perf_counter_ns())
        return _Answer(self.wire.read_stored(content_type, outputs, signature, address.output_filter), received)


class _Received(NamedTuple):
    """A response, out of its envelope.

    Attributes:
        response: The response.
        size_bytes: What came in all.
        at_ns: When it had come, on the clock of ``perf_counter_ns``.
    """

    response: Response
    size_bytes: int
    at_ns: int


class _Answer(NamedTuple):
    """A Predict response that was read.

    Attributes:
        outputs: Its outputs.
        received: The response.
    """

    outputs: Outputs
    received: _Received


def _fit(
    signatures: Mapping[str, Signature], inputs: Mapping[str, ArrayLike], address: ModelAddress
) -> tuple[Signature, Mapping[str, ArrayLike]]:
    name = address.signature_name or _DEFAULT_SIGNATURE
    signature = signatures.get(name)
    if signature is None:
        raise RequestError(f"{address.name} has no signature {name!r}: it has {', '.join(signatures) or 'none'}")
    if unknown := [output for output in address.output_filter if output not in signature.outputs]:
        raise RequestError(
            f"signature {name} has no output {unknown[0]!r}: it has {', '.join(signature.outputs) or 'none'}"
        )
    return signature, fit_inputs(signature, inputs)


def _key(address: ModelAddress) -> tuple[str, int | None, str | None]:
    return address.name, address.version, address.label
