"""One exchange with a server, and what is learned of it: what all flows are made of."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from numpy.typing import ArrayLike

from serverless_dnn.client.errors import ClientError, DeadlineError, RequestError, ServerError
from serverless_dnn.client.inputs import fit_inputs
from serverless_dnn.client.model import ModelAddress
from serverless_dnn.client.options import ClientOptions
from serverless_dnn.client.prediction import RawResponse, Timing
from serverless_dnn.client.retries import delay_before_retry
from serverless_dnn.client.specs import Signature
from serverless_dnn.client.steps import Flow, Pause, Send
from serverless_dnn.client.wire.exchange import Request, Response, Wire

if TYPE_CHECKING:
    from serverless_dnn.client.credentials.s3 import Bucket

_log = logging.getLogger("serverless_dnn.client")
_ResultT = TypeVar("_ResultT")
_DEFAULT_SIGNATURE = "serving_default"


class Received(NamedTuple):
    """A response, out of its envelope.

    Attributes:
        response: The response.
        size_bytes: What came in all.
        at_ns: When it had come, on the clock of ``perf_counter_ns``.
    """

    response: Response
    size_bytes: int
    at_ns: int


@dataclass
class Known:
    """What is known of the server, shared by all variants of a client.

    Attributes:
        signatures: By model, version and label.
        is_ours: Whether it is a server of this project, which takes protobuf over HTTP as well; ``None`` if unknown.
        buckets: The buckets that tensors went by, and by which options they were opened.
    """

    signatures: dict[tuple[str, int | None, str | None], dict[str, Signature]] = field(default_factory=dict)
    is_ours: bool | None = None
    buckets: "dict[tuple[object, ...], Bucket]" = field(default_factory=dict)


@dataclass(frozen=True)
class Exchanges:
    """A client's exchanges with its server.

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
    known: Known = field(default_factory=Known)

    def __post_init__(self) -> None:
        """Refuse options that cannot be honoured, or would give a token away."""
        self.options.refuse(f"the {self.wire.name} client", self.not_honoured)
        if self.options.token is not None and not self.is_private and not self.options.allow_plaintext_token:
            raise RequestError(
                f"a token would be sent to {self.target} without TLS, for everybody to read: use grpcs:// or https://, "
                "or allow_plaintext_token=True"
            )

    def end_s(self, timeout_s: float | None) -> float:
        """When a call must be over, on the clock of ``time.monotonic``.

        Args:
            timeout_s: How long it may take; ``None`` uses the options'.
        """
        if timeout_s is not None and not timeout_s > 0:
            raise RequestError(f"timeout_s must be above 0, got {timeout_s}")
        return time.monotonic() + (self.options.timeout_s if timeout_s is None else timeout_s)

    def kept(self, response: Response) -> RawResponse | None:
        """The response as it came, if the options keep it.

        Args:
            response: The response.
        """
        return RawResponse(response.headers, response.body) if self.options.keep_response else None

    def exchange(self, request: Request, end_s: float, timeout_s: float | None) -> Flow["Received"]:
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
                return Received(inner, len(response.body), received_ns)

    def timed(
        self, make: Callable[[], Request], read: Callable[[Response], _ResultT], timeout_s: float | None
    ) -> Flow[tuple[_ResultT, Timing]]:
        """Make a request, send it, and read its response.

        Args:
            make: Makes the request.
            read: Reads the response.
            timeout_s: How long that may take.

        Returns:
            What was read, and where the time went.
        """
        begin_ns = time.perf_counter_ns()
        end_s = self.end_s(timeout_s)
        request = make()
        sent_ns = time.perf_counter_ns()
        received = yield from self.exchange(request, end_s, timeout_s)
        result = read(received.response)
        stamps_ns = (begin_ns, sent_ns, received.at_ns, time.perf_counter_ns())
        timing = Timing.between(
            stamps_ns,
            bytes_sent=len(request.body),
            bytes_received=received.size_bytes,
            server_text=received.response.server_timing,
        )
        return result, timing

    def known_signatures(self, address: ModelAddress, end_s: float) -> Flow[dict[str, Signature] | None]:
        """The signatures; ``None`` if the server does not tell, in which case it has the last word on inputs."""
        key = key_of(address)
        if key not in self.known.signatures:
            try:
                yield from self.fetch_signatures(address, end_s, None)
            except ServerError as error:
                _log.debug("%s does not tell the signatures of %s: %s", self.target, address.name, error)
                return None
        return self.known.signatures.get(key)

    def fetch_signatures(
        self, address: ModelAddress, end_s: float, timeout_s: float | None
    ) -> Flow[dict[str, Signature]]:
        """Ask for a model's signatures, and keep them.

        Args:
            address: The model.
            end_s: When the call must be over.
            timeout_s: How long it could take, for messages.

        Returns:
            The signatures by name.
        """
        response, _, _ = yield from self.exchange(self.wire.metadata(address), end_s, timeout_s)
        signatures = self.wire.read_signatures(response)
        self.known.signatures[key_of(address)] = signatures
        # TensorFlow Serving itself reports no timing, and no instance.
        self.known.is_ours = "instance;" in response.server_timing
        return signatures

    def fitted(
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
                again = yield from self.fetch_signatures(address, end_s, None)
            except ClientError:
                again = None
            if again is None or again == signatures:
                raise
        return _fit(again, inputs, address)


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


def key_of(address: ModelAddress) -> tuple[str, int | None, str | None]:
    """What signatures are kept by.

    Args:
        address: The model.
    """
    return address.name, address.version, address.label
