"""The exceptions a call can raise.

::

    ClientError
    ├── RequestError     the request cannot be built: the URL, an array, an option
    ├── ConnectError     the server cannot be reached
    ├── DeadlineError    no response within the timeout
    ├── ResponseError    the response is unusable: malformed, too large, of another type
    └── ServerError      the server answered with an error; its code is kept in ``code``
"""

from enum import IntEnum


class StatusCode(IntEnum):
    """The codes gRPC and TensorFlow share."""

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
    """The base class; ``str(error)`` states what was expected, what was received and, if it helps, what to do."""


class RequestError(ClientError):
    """The request cannot be built."""


class ConnectError(ClientError):
    """The server cannot be reached."""


class DeadlineError(ClientError):
    """No response arrived within the timeout."""


class ResponseError(ClientError):
    """The response is malformed, too large, or of an unexpected type."""


class ServerError(ClientError):
    """The server responded with an error.

    Attributes:
        code: Its code; over HTTP, the code that matches the status.
        message: Its message.
        http_status: The HTTP status; ``None`` over gRPC.
    """

    def __init__(self, code: StatusCode, message: str, http_status: int | None = None) -> None:
        """Keep the code along with the message."""
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message
        self.http_status = http_status


# The reverse of TensorFlow Serving's table (tensorflow_serving/util/.../http_util); where several codes share a status,
# the one a caller most likely encountered.
_CODE_OF_HTTP_STATUS = {
    400: StatusCode.INVALID_ARGUMENT,
    401: StatusCode.UNAUTHENTICATED,
    403: StatusCode.PERMISSION_DENIED,
    404: StatusCode.NOT_FOUND,
    409: StatusCode.ALREADY_EXISTS,
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


def code_of_http_status(status: int) -> StatusCode:
    """The code that matches an HTTP status.

    Args:
        status: 400 to 599.

    Returns:
        The code; for a status outside the table, by its class (4xx or 5xx).
    """
    return _CODE_OF_HTTP_STATUS.get(status, StatusCode.INVALID_ARGUMENT if status < 500 else StatusCode.UNKNOWN)
