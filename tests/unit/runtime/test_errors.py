"""The one table of errors is complete and is TensorFlow Serving's."""

import grpc

from serverless_dnn.protos.v1 import status_pb2
from serverless_dnn.runtime import errors
from serverless_dnn.runtime.errors import STATUS, InternalError, ServingError, UnknownError, error_of_code, status_of


def _tree(root: type[ServingError]) -> set[type[ServingError]]:
    return {root}.union(*(_tree(child) for child in root.__subclasses__()))


def test_every_error_has_its_codes() -> None:
    assert _tree(ServingError) - {ServingError} == set(STATUS)
    assert errors.__doc__ is not None
    assert all(error.__name__ in errors.__doc__ for error in STATUS)


def test_codes_are_grpcs_by_number_and_name() -> None:
    numbers = {code.value[0]: code.name for code in grpc.StatusCode}
    for status in STATUS.values():
        assert numbers[status.code] == status.name == status_pb2.Code.Name(status.code)


def test_http_statuses_are_tensorflow_servings() -> None:
    expected = {
        "CANCELLED": 499, "UNKNOWN": 500, "INVALID_ARGUMENT": 400, "DEADLINE_EXCEEDED": 504, "NOT_FOUND": 404,
        "ALREADY_EXISTS": 409, "PERMISSION_DENIED": 403, "RESOURCE_EXHAUSTED": 429, "FAILED_PRECONDITION": 400,
        "ABORTED": 409, "OUT_OF_RANGE": 400, "UNIMPLEMENTED": 501, "INTERNAL": 500, "UNAVAILABLE": 503,
        "DATA_LOSS": 500, "UNAUTHENTICATED": 401,
    }  # fmt: skip

    assert {
        status_of(error_of_code(code, "")).name: status_of(error_of_code(code, "")).http for code in range(1, 17)
    } == expected


def test_codes_give_errors_back() -> None:
    assert isinstance(error_of_code(13, "text"), InternalError)
    assert str(error_of_code(13, "text")) == "text"
    assert isinstance(error_of_code(99, ""), UnknownError)
