"""Errors keep what they know, between processes too, and are the standard library's where they mean the same."""

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import pytest

from serverless_dnn.client import (
    ClientError,
    ConnectError,
    DeadlineError,
    RequestError,
    ResponseError,
    ServerError,
    StatusCode,
)
from serverless_dnn.client.errors import code_of_http_status, server_error

KINDS = (ClientError, ConnectError, DeadlineError, RequestError, ResponseError, ServerError)
FIELDS = ("message", "code", "http_status", "request_id", "retry_is_safe", "retry_after_s")


@pytest.mark.parametrize("kind", KINDS)
def test_they_come_back_from_pickle_as_they_were(kind: type[ClientError]) -> None:
    error = kind("m", code=StatusCode.ABORTED, http_status=409, request_id="r", retry_is_safe=True, retry_after_s=1.5)

    again = pickle.loads(pickle.dumps(error))

    assert type(again) is kind
    assert [getattr(again, name) for name in FIELDS] == ["m", StatusCode.ABORTED, 409, "r", True, 1.5]
    assert str(again) == str(error)


def _fail() -> None:
    raise server_error(StatusCode.UNAVAILABLE, "away", http_status=503, retry_after_s=2)


def test_one_raised_in_a_worker_process_reaches_the_caller() -> None:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn) as pool, pytest.raises(ServerError, match="UNAVAILABLE: away") as raised:
        pool.submit(_fail).result(60)
    assert (raised.value.code, raised.value.http_status, raised.value.retry_after_s) == (StatusCode.UNAVAILABLE, 503, 2)


def test_time_outs_and_lost_connections_are_the_standard_librarys() -> None:
    with pytest.raises(TimeoutError):
        raise DeadlineError("late")
    with pytest.raises(ConnectionError):
        raise ConnectError("gone")
    assert all(issubclass(kind, ClientError) for kind in KINDS)


@pytest.mark.parametrize(
    ("code", "http_status", "is_safe"),
    [
        (StatusCode.UNAVAILABLE, 503, True),
        (StatusCode.RESOURCE_EXHAUSTED, 429, True),
        (StatusCode.RESOURCE_EXHAUSTED, 413, False),
        (StatusCode.INTERNAL, 500, False),
        (StatusCode.INVALID_ARGUMENT, 400, False),
    ],
)
def test_whether_a_retry_is_safe(code: StatusCode, http_status: int, *, is_safe: bool) -> None:
    assert server_error(code, "", http_status=http_status).retry_is_safe is is_safe


def test_every_status_has_a_code() -> None:
    codes = {status: code_of_http_status(status) for status in range(300, 600)}

    assert codes[418] is StatusCode.INVALID_ARGUMENT
    assert codes[599] is StatusCode.UNKNOWN
    assert codes[424] is StatusCode.INVALID_ARGUMENT
