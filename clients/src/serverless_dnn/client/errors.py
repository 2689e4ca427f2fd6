"""What a call can raise.

::

    ClientError
    ├── RequestError     the request cannot be built: the URL, an array, an option
    ├── ConnectError     the server cannot be reached
    ├── DeadlineError    no answer within the time-out
    ├── ResponseError    an answer came that is not one: broken, too large, of another type
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
    """The root; ``str(error)`` says what was expected, what came and, where it helps, what to do."""


class RequestError(ClientError):
    """The request cannot be built."""


class ConnectError(ClientError):
    """The server cannot be reached."""


class DeadlineError(ClientError):
    """No answer came within the time-out."""


class ResponseError(ClientError):
    """The answer is broken, too large, or not of a type that was asked for."""


class ServerError(ClientError):
    """The server answered with an error.

    Attributes:
        code: Its code; over HTTP the code that fits the status.
        message: Its text.
        http_status: The HTTP status; ``None`` over gRPC.
    """

    def __init__(self, code: StatusCode, message: str, http_status: int | None = None) -> None:
        """Keep the code beside the text."""
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message
        self.http_status = http_status


# The reverse of TensorFlow Serving's table (tensorflow_serving/util/.../http_util); where several codes share a status,
# the one a caller most likely met.
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
    """The code that fits an HTTP status.

    Args:
        status: 400 to 599.

    Returns:
        The code; by its hundred for a status outside the table.
    """
    return _CODE_OF_HTTP_STATUS.get(status, StatusCode.INVALID_ARGUMENT if status < 500 else StatusCode.UNKNOWN)
