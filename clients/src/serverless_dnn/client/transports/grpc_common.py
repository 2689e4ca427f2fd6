"""What gRPC channels have in common, with and without asyncio: options, credentials, errors."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from serverless_dnn.client.errors import (
    ClientError,
    ConnectError,
    DeadlineError,
    RequestError,
    ResponseError,
    StatusCode,
    server_error,
)
from serverless_dnn.client.options import ClientOptions
from serverless_dnn.client.retries import service_config
from serverless_dnn.client.transports.proxies import proxy_of
from serverless_dnn.client.transports.tokens import bearer

# gRPC does not say which errors are its own, and which the server's: these are how its own begin.
_NEVER_SENT = re.compile(r"failed to connect|errors resolving|dns resolution|name resolution|http proxy", re.IGNORECASE)
_LOST = re.compile(
    r"socket closed|recvmsg|sendmsg|connection (reset|refused|closed|timed out|aborted)|broken pipe|stream removed|"
    r"transport|goaway|keepalive|ping timeout|endpoint clos|connections to all backends|(tcp|ssl|tls) handshake",
    re.IGNORECASE,
)
_UNREADABLE = re.compile(r"stream removed|received rst_stream|received http2|failed parsing|http2", re.IGNORECASE)
_OWN_DEADLINE = "Deadline Exceeded"
_TOO_LARGE = "CLIENT: Received message larger than max"
_RETRY_PUSHBACK = "grpc-retry-pushback-ms"
_LOCAL_FAULTS = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.CANCELLED)


@dataclass(frozen=True)
class GrpcTarget:
    """Where a channel leads.

    Attributes:
        address: ``host:port``, or ``unix:/path``.
        is_tls: Whether it has TLS.
    """

    address: str
    is_tls: bool

    @property
    def host(self) -> str:
        """The host, without port and brackets; empty for a unix socket."""
        if self.address.startswith("unix:"):
            return ""
        return self.address.rpartition(":")[0].strip("[]")


def channel_arguments(target: GrpcTarget, options: ClientOptions) -> list[tuple[str, Any]]:
    """The options of a channel for tensors: gRPC's default limit of 4 MiB is less than one image for YOLOv5.

    Args:
        target: Where it leads.
        options: The client's options.
    """
    arguments: list[tuple[str, Any]] = [
        ("grpc.max_receive_message_length", options.max_response_bytes),
        ("grpc.max_send_message_length", -1),
        # gRPC gives an attempt to connect as long as it waits between two of them.
        ("grpc.min_reconnect_backoff_ms", round(options.connect_timeout_s * 1e3)),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 5000),
    ]
    if options.retries is None:
        # An implicit retry would be measured as a slow request, and might run the model twice.
        arguments.append(("grpc.enable_retries", 0))
    else:
        arguments += [("grpc.enable_retries", 1), ("grpc.service_config", service_config(options.retries))]
    proxy = proxy_of(target.host, is_tls=target.is_tls, proxy=options.proxy) if target.host else None
    arguments.append(("grpc.enable_http_proxy", 0) if proxy is None else ("grpc.http_proxy", proxy))
    return [*arguments, *options.channel_options]


def channel_credentials(options: ClientOptions) -> grpc.ChannelCredentials:
    """The credentials of a channel with TLS.

    Args:
        options: The client's options.

    Raises:
        RequestError: A file of theirs cannot be read.
    """
    tls = options.tls
    if tls is None:
        return grpc.ssl_channel_credentials()
    return grpc.ssl_channel_credentials(_pem(tls.root_certificates), _pem(tls.private_key), _pem(tls.certificate))


def call_metadata(options: ClientOptions) -> list[tuple[str, str]] | None:
    """The metadata of a call.

    Args:
        options: The client's options.

    Raises:
        RequestError: The token cannot be had.
    """
    if not options.headers and options.token is None:
        return None
    metadata = [(name.lower(), value) for name, value in options.headers.items()]
    if (token := bearer(options)) is not None:
        metadata.append(("authorization", token))
    return metadata


def as_headers(metadata: Iterable[tuple[str, Any]] | None) -> dict[str, str]:
    """Metadata by name, without its binary part.

    Args:
        metadata: Pairs of key and value.
    """
    return {key: value for key, value in metadata or () if isinstance(value, str)}


def client_error(error: Any, target: GrpcTarget, timeout_s: float) -> ClientError:
    """Turn a failed call's error into one of ours.

    Args:
        error: The error raised by grpc.
        target: The server.
        timeout_s: The call's time-out.

    Returns:
        The error, with the server's code if the server responded.
    """
    code, details = error.code(), error.details() or ""
    ours = StatusCode(code.value[0])
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        said = "" if _OWN_DEADLINE in details else f": {details}"
        return DeadlineError(f"no answer from {target.address} within {timeout_s:.3g} s{said}", code=ours)
    if code is grpc.StatusCode.UNAVAILABLE:
        if _NEVER_SENT.match(details):
            return ConnectError(f"cannot reach {target.address}: {details}", code=ours, retry_is_safe=True)
        if _LOST.match(details):
            return ConnectError(f"the connection to {target.address} was lost: {details}", code=ours)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE in details:
        return ResponseError(f"the answer of {target.address} is larger than this client takes: {details}", code=ours)
    if code in _LOCAL_FAULTS and _UNREADABLE.match(details):
        return ResponseError(f"no answer that can be read from {target.address}: {details}", code=ours)
    headers = as_headers(error.trailing_metadata())
    pushback_ms = headers.get(_RETRY_PUSHBACK, "")
    return server_error(
        ours,
        details,
        request_id=headers.get("x-request-id", ""),
        retry_after_s=int(pushback_ms) / 1e3 if pushback_ms.isdecimal() else None,
    )


def _pem(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise RequestError(f"cannot read {path}: {error.strerror}") from None
