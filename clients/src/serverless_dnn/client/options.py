"""The options of every client, whatever its transport."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from numpy.typing import DTypeLike

from serverless_dnn.client.errors import RequestError, StatusCode

BodyFormat = Literal["auto", "json", "npy", "protobuf"]
MAX_RESPONSE_BYTES = 256 << 20
"""The largest response a client accepts by default; YOLOv5's is 8 MiB."""
Signer = Callable[[str, str, Mapping[str, str], bytes], Mapping[str, str]]
"""Takes method, URL, headers and body, and returns the headers to send."""


@dataclass(frozen=True)
class TlsOptions:
    """How connections with TLS are checked, and by what we identify ourselves.

    Attributes:
        root_certificates: A PEM file to trust instead of the system's authorities.
        certificate: Our own certificate (mTLS), a PEM file.
        private_key: Its key, a PEM file.
    """

    root_certificates: Path | None = None
    certificate: Path | None = None
    private_key: Path | None = None

    def __post_init__(self) -> None:
        """Reject half of a pair."""
        if (self.certificate is None) != (self.private_key is None):
            raise RequestError("mTLS takes both a certificate and its private_key")


@dataclass(frozen=True)
class RetryPolicy:
    """When and how often a call is repeated; without one it never is.

    Delays double from the first on, are randomised by a fifth, and never exceed the call's time-out. A server's
    ``Retry-After`` is honoured. gRPC does the same by itself, with its service config.

    Attributes:
        attempts: How often a call is sent at most, 2 to 5: gRPC allows no more.
        initial_delay_s: The delay before the first repetition, in seconds.
        max_delay_s: The longest delay, in seconds.
        codes: The servers' errors that are worth another try.
    """

    attempts: int = 3
    initial_delay_s: float = 0.1
    max_delay_s: float = 5.0
    codes: Sequence[StatusCode] = (StatusCode.UNAVAILABLE,)

    def __post_init__(self) -> None:
        """Reject what gRPC rejects."""
        if not 2 <= self.attempts <= 5:
            raise RequestError(f"attempts must be from 2 to 5, got {self.attempts}")
        if not 0 < self.initial_delay_s <= self.max_delay_s:
            raise RequestError(
                f"0 < initial_delay_s <= max_delay_s, got {self.initial_delay_s} and {self.max_delay_s} s"
            )


@dataclass(frozen=True)
class S3Storage:
    """Where tensors go that are too large for Lambda's or SageMaker's requests; needs the extra ``aws``.

    They are stored in a bucket, read by the server through a pre-signed URL, and deleted after the call.

    Attributes:
        bucket: The bucket; the server must be able to reach it, and allow its host.
        prefix: Put before the objects' names.
        region: The bucket's region; by default the one that AWS's SDK finds.
        endpoint_url: For storage other than AWS's.
        access_key: The id and the secret of a key for it; by default what AWS's SDK finds.
        ca_file: The certificates that it is trusted by; by default those of AWS's SDK.
        expires_s: How long the URLs are valid, in seconds.
    """

    bucket: str
    prefix: str = "serverless-dnn/"
    region: str | None = None
    endpoint_url: str | None = None
    access_key: tuple[str, str] | None = field(default=None, repr=False)
    ca_file: str | None = None
    expires_s: int = 300


@dataclass(frozen=True)
class ClientOptions:
    """The options of a client. One that its transport cannot honour is refused, never dropped.

    Attributes:
        timeout_s: How long a call may take in all, in seconds.
        connect_timeout_s: How long making a connection may take, in seconds.
        token: A bearer token, or what returns one for each call.
        id_token: Send an identity token of Google's for the service's URL; needs the extra ``gcp``.
        allow_plaintext_token: Send tokens without TLS as well.
        headers: HTTP headers or gRPC metadata of every call.
        tls: How TLS connections are checked.
        proxy: ``"environment"`` obeys ``https_proxy``, ``http_proxy`` and ``no_proxy``; a URL, or ``None`` for none.
            Loopback is never reached through a proxy.
        retries: When calls are repeated; ``None`` never.
        max_in_flight: How many calls may be under way at once; further ones wait, within their time-outs.
        max_response_bytes: The largest response accepted.
        check_inputs: Fetch the model's signature once, check and convert inputs by it, and name outputs by it.
        keep_response: Keep each response as it came, in ``Prediction.response``.
        body_format: HTTP: ``auto`` is protobuf for servers of this project, else JSON.
        output_name: HTTP without ``check_inputs``: the name of a single output, which JSON and npy do not carry.
        output_dtype: HTTP without ``check_inputs``: the type of numbers in JSON; ``None`` means float64 and int64.
        connections: HTTP: connections kept open for concurrent calls.
        signer: HTTP: signs each request.
        aws_region: Lambda, SageMaker: the region; by default the one that AWS's SDK finds.
        aws_profile: Lambda, SageMaker: the profile of AWS's configuration.
        sign_requests: Sign with AWS's credentials (extra ``aws``); ``None`` does so for AWS's own API hosts.
        storage: Lambda, SageMaker: where tensors go that are too large for a request.
        channel_options: gRPC: further options of the channel, as its own documentation names them.
    """

    timeout_s: float = 60.0
    connect_timeout_s: float = 10.0
    token: str | Callable[[], str] | None = field(default=None, repr=False)
    id_token: bool = False
    allow_plaintext_token: bool = False
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls: TlsOptions | None = None
    proxy: str | None = "environment"
    retries: RetryPolicy | None = None
    max_in_flight: int | None = None
    max_response_bytes: int = MAX_RESPONSE_BYTES
    check_inputs: bool = True
    keep_response: bool = False
    body_format: BodyFormat = "auto"
    output_name: str = "predictions"
    output_dtype: DTypeLike | None = None
    connections: int = 64
    signer: Signer | None = field(default=None, repr=False)
    aws_region: str | None = None
    aws_profile: str | None = None
    sign_requests: bool | None = None
    storage: S3Storage | None = None
    channel_options: Sequence[tuple[str, Any]] = ()

    def __post_init__(self) -> None:
        """Reject options that cannot be."""
        for name in ("timeout_s", "connect_timeout_s", "max_response_bytes", "connections", "max_in_flight"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise RequestError(f"{name} must be above 0, got {value}")
        if self.token is not None and self.id_token:
            raise RequestError("give a token or id_token, not both")

    def refuse(self, client: str, names: Sequence[str]) -> None:
        """Refuse options that a client cannot honour.

        Args:
            client: Whose it is, for the message.
            names: The options.

        Raises:
            RequestError: One of them is given.
        """
        defaults = {each.name: each.default for each in fields(self)}
        if given := [name for name in names if getattr(self, name) != defaults[name]]:
            raise RequestError(f"{client} cannot honour {', '.join(given)}")

    def changed(self, changes: Mapping[str, Any]) -> "ClientOptions":
        """The options of a variant that shares its connection.

        Args:
            changes: New values by name.

        Returns:
            The options.

        Raises:
            RequestError: There is no such option, or it belongs to the connection.
        """
        known = {each.name for each in fields(self)}
        if unknown := sorted(set(changes) - known):
            raise RequestError(f"there is no option {unknown[0]!r}; there are {', '.join(sorted(known))}")
        if fixed := sorted(set(changes) & _OF_THE_CONNECTION):
            raise RequestError(f"{', '.join(fixed)} belong to the connection: make another client")
        return replace(self, **changes)


_OF_THE_CONNECTION = frozenset(
    {"connect_timeout_s", "tls", "proxy", "max_response_bytes", "connections", "channel_options", "max_in_flight"}
    | {"aws_region", "aws_profile", "sign_requests", "signer", "id_token"}
)
