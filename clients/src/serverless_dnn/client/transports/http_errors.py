"""What an error of urllib3's means to a caller."""

import time

import urllib3.exceptions
from urllib3.exceptions import HTTPError, LocationParseError, NewConnectionError, ProtocolError, ProxyError, SSLError

from serverless_dnn.client.errors import ClientError, ConnectError, DeadlineError, RequestError, ResponseError
from serverless_dnn.client.transports.http_connection import HttpCall


def client_error(error: Exception, server: str, timeout_s: float, call: HttpCall) -> ClientError:
    """Turn an error into one of ours.

    Args:
        error: What urllib3, the socket or TLS raised.
        server: The server, for the message.
        timeout_s: How long the call could take.
        call: The call.

    Returns:
        The error.
    """
    is_over = call.is_aborted or time.monotonic() >= call.end_s
    has_no_connection = isinstance(error, NewConnectionError) or (
        isinstance(error, ProxyError) and isinstance(error.original_error, NewConnectionError)
    )
    if is_over or (_is_timeout(error) and not has_no_connection):
        return DeadlineError(f"no answer from {server} within {timeout_s:.3g} s")
    if has_no_connection:
        return ConnectError(f"cannot reach {server}: {_reason(error)}", retry_is_safe=True)
    if isinstance(error, (SSLError, ProtocolError, OSError)):
        return ConnectError(f"the connection to {server} was lost: {_reason(error)}")
    if isinstance(error, HTTPError) and not isinstance(error, LocationParseError):
        return ResponseError(f"no answer that can be read from {server}: {error}")
    return RequestError(f"this cannot be sent to {server}: {error}")


def _is_timeout(error: Exception) -> bool:
    return isinstance(error, (TimeoutError, urllib3.exceptions.TimeoutError))


def _reason(error: BaseException) -> str:
    """The end of an error's chain, which says what happened."""
    cause = error
    while (inner := cause.__cause__ or cause.__context__) is not None and isinstance(inner, (OSError, HTTPError)):
        cause = inner
    return str(cause) or str(error) or type(cause).__name__
