"""What a client does for each of its methods, apart from how it waits: the same for callers with and without asyncio.

A flow is a generator. It yields what is to be done, gets the result, and returns the method's result; a driver does it,
with or without ``await``. See ``client`` and ``async_client``.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from numpy.typing import ArrayLike

from serverless_dnn.client.encoded import EncodedRequest
from serverless_dnn.client.errors import ConnectError, DeadlineError, RequestError, ServerError, StatusCode
from serverless_dnn.client.exchanges import Exchanges, Received, key_of
from serverless_dnn.client.model import ModelAddress
from serverless_dnn.client.options import S3Storage
from serverless_dnn.client.prediction import Prediction, Timing
from serverless_dnn.client.specs import Classification, ModelConfig, Regression, Signature, Task, VersionStatus
from serverless_dnn.client.steps import Flow, Pause, Work
from serverless_dnn.client.wire.exchange import Example, Outputs, Response
from serverless_dnn.client.wire.messages import encode_request

if TYPE_CHECKING:
    from serverless_dnn.client.credentials.s3 import Bucket, StoredTensors

_log = logging.getLogger("serverless_dnn.client")
_POLL_S = 0.1
_TOO_LARGE_STATUS = 413
# Servers that say so are up, and have not loaded the model yet.
_NOT_READY = frozenset({StatusCode.NOT_FOUND, StatusCode.UNAVAILABLE, StatusCode.RESOURCE_EXHAUSTED})


class _Answer(NamedTuple):
    """A Predict response that was read.

    Attributes:
        outputs: Its outputs.
        received: The response.
    """

    outputs: Outputs
    received: Received


@dataclass(frozen=True)
class Flows(Exchanges):
    """The flows of one client; see ``Exchanges`` for its attributes."""

    def predict(
        self, inputs: Mapping[str, ArrayLike] | EncodedRequest, address: ModelAddress, timeout_s: float | None
    ) -> Flow[Prediction]:
        """The flow of ``Client.predict``."""
        begin_ns = time.perf_counter_ns()
        end_s = self.end_s(timeout_s)
        fetched_ns = 0
        if isinstance(inputs, EncodedRequest):
            encoded = self._checked(inputs, address)
            address = encoded.address
        else:
            encoded, fetched_ns = yield from self._encoded(inputs, address, end_s)
        encoded_ns = time.perf_counter_ns()
        answer = yield from self._answered(encoded, end_s, timeout_s)
        if self.options.check_inputs and key_of(address) not in self.known.signatures:
            # It answers, and does not tell: it is not asked before every call.
            self.known.signatures[key_of(address)] = {}
        end_ns = time.perf_counter_ns()
        timing = Timing.between(
            # Asking for signatures is waiting, not encoding.
            (begin_ns, encoded_ns - fetched_ns, answer.received.at_ns, end_ns),
            bytes_sent=encoded.size_bytes,
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
        return Prediction(arrays, timing, address.name, version, self.kept(answer.received.response))

    def encode(
        self, inputs: Mapping[str, ArrayLike], address: ModelAddress, timeout_s: float | None
    ) -> Flow[EncodedRequest]:
        """The flow of ``Client.encode``."""
        encoded, _ = yield from self._encoded(inputs, address, self.end_s(timeout_s))
        return encoded

    def classify(
        self, examples: Sequence[Example], address: ModelAddress, timeout_s: float | None
    ) -> Flow[Classification]:
        """The flow of ``Client.classify``."""
        request = partial(self.wire.classify, address, examples)
        classes, timing = yield from self.timed(request, self.wire.read_classes, timeout_s)
        return Classification(classes, timing, address.name, address.version)

    def regress(self, examples: Sequence[Example], address: ModelAddress, timeout_s: float | None) -> Flow[Regression]:
        """The flow of ``Client.regress``."""
        request = partial(self.wire.regress, address, examples)
        values, timing = yield from self.timed(request, self.wire.read_values, timeout_s)
        return Regression(values, timing, address.name, address.version)

    def signatures(self, address: ModelAddress, timeout_s: float | None) -> Flow[dict[str, Signature]]:
        """The flow of ``Client.signatures``."""
        return (yield from self.fetch_signatures(address, self.end_s(timeout_s), timeout_s))

    def versions(self, timeout_s: float | None) -> Flow[list[VersionStatus]]:
        """The flow of ``Client.versions``."""
        received = yield from self.exchange(self.wire.status(self.address), self.end_s(timeout_s), timeout_s)
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
        results, _ = yield from self.timed(request, self.wire.read_results, timeout_s)
        return results

    def reload_config(self, configs: Sequence[ModelConfig], timeout_s: float | None) -> Flow[None]:
        """The flow of ``GrpcClient.reload_config``."""
        request = self.wire.reload_config(configs)
        received = yield from self.exchange(request, self.end_s(timeout_s), timeout_s)
        self.wire.read_reloaded(received.response)
        self.known.signatures.clear()

    def _encoded(
        self, inputs: Mapping[str, ArrayLike], address: ModelAddress, end_s: float
    ) -> Flow[tuple[EncodedRequest, int]]:
        """Encode a Predict request; also returns how long that waited for the model's signatures."""
        if not isinstance(inputs, Mapping):
            raise RequestError(f"inputs must be arrays by name, {{name: array}}, got {type(inputs).__name__}")
        signature = None
        fetched_ns = 0
        if self.options.check_inputs:
            begin_ns = time.perf_counter_ns()
            is_new = key_of(address) not in self.known.signatures
            signatures = yield from self.known_signatures(address, end_s)
            fetched_ns = time.perf_counter_ns() - begin_ns if is_new else 0
            if signatures:
                signature, inputs = yield from self.fitted(signatures, inputs, address, end_s)
        body_format = self.options.body_format
        if body_format == "auto" and self.known.is_ours:
            body_format = "protobuf"
        request = self.wire.predict(address, inputs, body_format, signature)
        return EncodedRequest(address, self.wire.name, request, signature, inputs), fetched_ns

    def _checked(self, encoded: EncodedRequest, address: ModelAddress) -> EncodedRequest:
        """Refuse an encoded request that is not for this client's model and API, or is to be for another address."""
        if address is not self.address:
            raise RequestError("an encoded request has its version, label, signature and outputs: give them to encode")
        if encoded.api != self.wire.name or encoded.address.name != address.name:
            raise RequestError(
                f"the request was encoded for {encoded.address.name} over {encoded.api}, and this client calls "
                f"{address.name} over {self.wire.name}: encode it with this client"
            )
        return encoded

    def _answered(self, encoded: EncodedRequest, end_s: float, timeout_s: float | None) -> Flow[_Answer]:
        """Send a Predict request, by way of the storage if it or its response is too large, and read its outputs."""
        address, signature = encoded.address, encoded.signature
        limit, storage = self.wire.max_request_bytes, self.options.storage
        if limit is None or encoded.size_bytes <= limit:
            received = yield from self.exchange(encoded.request, end_s, timeout_s)
            try:
                return _Answer(self.wire.read_outputs(received.response, address, signature), received)
            except ServerError as error:
                if storage is None or error.http_status != _TOO_LARGE_STATUS:
                    raise
        elif storage is None:
            raise RequestError(
                f"the request takes {encoded.size_bytes} bytes, more than the {limit} that {self.wire.name} takes: "
                "send fewer rows at once, or give the client a storage (S3Storage), where tensors go instead",
                http_status=_TOO_LARGE_STATUS,
            )
        body = encode_request(address, encoded.inputs)
        stored: StoredTensors = yield Work(lambda: self._bucket(storage).put(body))
        try:
            by_url = self.wire.by_url(address, stored.inputs_url, stored.outputs_url)
            response, _, _ = yield from self.exchange(by_url, end_s, timeout_s)
            content_type = self.wire.read_uploaded(response)
            outputs = yield Work(lambda: stored.read_outputs(self.options.max_response_bytes))
        finally:
            yield Work(stored.delete)
        received = Received(Response(outputs, response.headers), len(outputs), time.perf_counter_ns())
        return _Answer(self.wire.read_stored(content_type, outputs, signature, address.output_filter), received)

    def _bucket(self, storage: S3Storage) -> "Bucket":
        from serverless_dnn.client.credentials.s3 import Bucket

        options = self.options
        key = storage, options.aws_profile, options.aws_region, options.connect_timeout_s, options.connections
        if key not in self.known.buckets:
            self.known.buckets[key] = Bucket.open(storage, options)
        return self.known.buckets[key]

    def close(self) -> None:
        """Close whatever is open beside the transport."""
        for bucket in self.known.buckets.values():
            bucket.close()
        self.known.buckets.clear()
