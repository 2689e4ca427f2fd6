"""The exception hierarchy, and the table that maps each error to its gRPC code and HTTP status.

::

    ServingError
    ├── InvalidArgumentError          the request is wrong
    │   ├── UnsupportedMediaTypeError   its content type is not supported
    │   └── OutOfRangeError             past the end
    ├── FailedPreconditionError       the model has no such signature, or cannot serve this engine
    ├── NotFoundError                 no such model, version or path
    ├── AlreadyExistsError            it exists already
    ├── ResourceExhaustedError        a limit or a queue is full
    │   └── PayloadTooLargeError        the body is over the limit
    ├── DeadlineExceededError         the caller's time ran out
    ├── CancelledError                the caller went away
    ├── UnimplementedError            TensorFlow Serving has it, this server does not
    ├── UnavailableError              not loaded yet, or shutting down
    ├── AbortedError, PermissionDeniedError, UnauthenticatedError, DataLossError, UnknownError
    └── InternalError                 our fault
"""

from dataclasses import dataclass


class ServingError(Exception):
    """The base of every error a server returns; ``str(error)`` is the message the caller sees."""


class InvalidArgumentError(ServingError):
    """The request is invalid, regardless of the server's state."""


class UnsupportedMediaTypeError(InvalidArgumentError):
    """The request's content type, or the one it accepts, is not supported."""


class OutOfRangeError(InvalidArgumentError):
    """A value is past the valid range."""


class FailedPreconditionError(ServingError):
    """The model or the server is not in the state this request needs."""


class NotFoundError(ServingError):
    """There is no such model, version or path."""


class AlreadyExistsError(ServingError):
    """The thing to be created already exists."""


class ResourceExhaustedError(ServingError):
    """A limit is reached or a queue is full; retrying later may succeed."""


class PayloadTooLargeError(ResourceExhaustedError):
    """The body is larger than the platform or the server allows; retrying will not help."""


class DeadlineExceededError(ServingError):
    """The time the caller allowed ran out."""


class CancelledError(ServingError):
    """The caller cancelled."""


class UnimplementedError(ServingError):
    """A part of the API, or a type, that this server does not implement."""


class UnavailableError(ServingError):
    """The server cannot serve requests now: it is loading or shutting down."""


class AbortedError(ServingError):
    """A conflict with another request."""


class PermissionDeniedError(ServingError):
    """The caller is authenticated but not authorised."""


class UnauthenticatedError(ServingError):
    """The caller is not authenticated."""


class DataLossError(ServingError):
    """Data is lost or corrupt."""


class UnknownError(ServingError):
    """The engine failed without stating a reason."""


class InternalError(ServingError):
    """A bug in the server."""


@dataclass(frozen=True)
class Status:
    """How an error appears to callers.

    Attributes:
    code: The gRPC code, which is also TensorFlow's error code.
    name: The code's name.
    http: The HTTP status.
    """

    code: int
    name: str
    http: int


# The HTTP statuses are TensorFlow Serving's (tensorflow_serving/util/net_http/...http_util); 413 and 415 are standard
# HTTP statuses where the gRPC code is less specific.
STATUS: dict[type[ServingError], Status] = {
    CancelledError: Status(1, "CANCELLED", 499),
    UnknownError: Status(2, "UNKNOWN", 500),
    InvalidArgumentError: Status(3, "INVALID_ARGUMENT", 400),
    UnsupportedMediaTypeError: Status(3, "INVALID_ARGUMENT", 415),
    DeadlineExceededError: Status(4, "DEADLINE_EXCEEDED", 504),
    NotFoundError: Status(5, "NOT_FOUND", 404),
    AlreadyExistsError: Status(6, "ALREADY_EXISTS", 409),
    PermissionDeniedError: Status(7, "PERMISSION_DENIED", 403),
    ResourceExhaustedError: Status(8, "RESOURCE_EXHAUSTED", 429),
    PayloadTooLargeError: Status(8, "RESOURCE_EXHAUSTED", 413),
    FailedPreconditionError: Status(9, "FAILED_PRECONDITION", 400),
    AbortedError: Status(10, "ABORTED", 409),
    OutOfRangeError: Status(11, "OUT_OF_RANGE", 400),
    UnimplementedError: Status(12, "UNIMPLEMENTED", 501),
    InternalError: Status(13, "INTERNAL", 500),
    UnavailableError: Status(14, "UNAVAILABLE", 503),
    DataLossError: Status(15, "DATA_LOSS", 500),
    UnauthenticatedError: Status(16, "UNAUTHENTICATED", 401),
}

_BY_CODE: dict[int, type[ServingError]] = {}
for _error, _status in STATUS.items():
    _BY_CODE.setdefault(_status.code, _error)


def status_of(error: ServingError) -> Status:
    """How an error appears to callers.

    Args:
        error: The error.

    Returns:
        Its code and HTTP status.
    """
    return STATUS[type(error)]


def error_of_code(code: int, message: str) -> ServingError:
    """The error for a gRPC or TensorFlow code.

    Args:
        code: 1 to 16.
        message: The message the caller sees.

    Returns:
        The error; ``UnknownError`` for a code outside the table.
    """
    return _BY_CODE.get(code, UnknownError)(message)
