"""The exceptions a call can raise.

::

    ClientError
    ├── RequestError     the request cannot be made: the URL, an array, an option, a closed client
    ├── ConnectError     the server cannot be reached; also a ConnectionError
    ├── DeadlineError    no response within the time-out; also a TimeoutError
    ├── ResponseError    the response is unusable: malformed, cut off, too large, of another type
    └── ServerError      the server answered with an error; ``code`` says which
"""

from enum import Enum
from typing import Any


class StatusCode(Enum):
    """The codes that gRPC and TensorFlow share."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class ClientError(Exception):
    """The base class; ``str(error)`` states what was expected, what was received and, if it helps, what to do.

    Args:
        message: That text; a server's errors are prefixed with their code.
        code: The server's or gRPC's code, if there is one.
        http_status: The HTTP status, if there is one.
        request_id: What the platform calls the request, for its support; empty if it did not say.
        retry_is_safe: Whether the request was not processed, so that sending it again can help and do no harm.
        retry_after_s: How long the server wants to be left alone, in seconds, if it said so.
    """

    def __init__(
        self,
        message: str,
        *,
        code: StatusCode | None = None,
        http_status: int | None = None,
        request_id: str = "",
        retry_is_safe: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.http_status = http_status
        self.request_id = request_id
        self.retry_is_safe = retry_is_safe
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        """The message."""
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle it with all that it knows, so that it comes back from another process as it left."""
        return _restore, (type(self), self.message, dict(self.__dict__))


class RequestError(ClientError):
    """The request cannot be made; nothing was sent."""


class ConnectError(ClientError, ConnectionError):
    """The server cannot be reached, or the connection was lost."""


class DeadlineError(ClientError, TimeoutError):
    """No response arrived within the time-out."""


class ResponseError(ClientError):
    """The response is malformed, cut off, too large, or of an unexpected type."""


class ServerError(ClientError):
    """The server responded with an error; ``code`` is its own, or over HTTP the one that matches the status."""

    code: StatusCode

    def __str__(self) -> str:
        """The code's name and the message."""
        return f"{self.code.name}: {self.message}"


def _restore(kind: type[ClientError], message: str, state: dict[str, Any]) -> ClientError:
    error = kind(message)
    error.__dict__.update(state)
    return error


# The reverse of TensorFlow Serving's table (tensorflow_serving/util/.../http_util); where several codes share a status,
# the one a caller most likely encountered.
_CODE_OF_HTTP_STATUS = {
    400: StatusCode.INVALID_ARGUMENT,
    401: StatusCode.UNAUTHENTICATED,
    403: StatusCode.PERMISSION_DENIED,
    404: StatusCode.NOT_FOUND,
    409: StatusCode.ALREADY_EXISTS,
    412: StatusCode.FAILED_PRECONDITION,
    413: StatusCode.RESOURCE_EXHAUSTED,
    415: StatusCode.INVALID_ARGUMENT,
    429: StatusCode.RESOURCE_EXHAUSTED,
    499: StatusCode.CANCELLED,
    500: StatusCode.INTERNAL,
    501: StatusCode.UNIMPLEMENTED,
    502: StatusCode.UNAVAILABLE,
    503: StatusCode.UNAVAILABLE,
    504: StatusCode.DEADLINE_EXCEEDED,
}
_TOO_LARGE_STATUS = 413
# The server took no such request on: it was away, or full.
_NOT_PROCESSED = frozenset({StatusCode.UNAVAILABLE, StatusCode.RESOURCE_EXHAUSTED})


def code_of_http_status(status: int) -> StatusCode:
    """The code that matches an HTTP status.

    Args:
        status: 300 to 599.

    Returns:
        The code; for a status outside the table, by its class (4xx or 5xx).
    """
    return _CODE_OF_HTTP_STATUS.get(status, StatusCode.INVALID_ARGUMENT if status < 500 else StatusCode.UNKNOWN)


def server_error(
    code: StatusCode,
    message: str,
    *,
    http_status: int | None = None,
    request_id: str = "",
    retry_after_s: float | None = None,
) -> ServerError:
    """The error that a server answered with.

    Args:
        code: Its code.
        message: Its message.
        http_status: The HTTP status; ``None`` over gRPC.
        request_id: What the platform calls the request.
        retry_after_s: How long the server wants to be left alone.

    Returns:
        The error, which knows whether a retry is safe.
    """
    return ServerError(
        message,
        code=code,
        http_status=http_status,
        request_id=request_id,
        retry_is_safe=code in _NOT_PROCESSED and http_status != _TOO_LARGE_STATUS,
        retry_after_s=retry_after_s,
    )
