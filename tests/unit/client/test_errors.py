"""Errors keep what they know, between processes too, and are the standard library's where they mean the same."""

import pickle
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import grpc
import pytest
import urllib3.exceptions
from urllib3.exceptions import HTTPError

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
from serverless_dnn.client.transports.grpc_common import GrpcTarget
from serverless_dnn.client.transports.grpc_common import client_error as grpc_error
from serverless_dnn.client.transports.http_connection import HttpCall
from serverless_dnn.client.transports.http_errors import client_error as http_error

KINDS = (ClientError, ConnectError, DeadlineError, RequestError, ResponseError, ServerError)
FIELDS = ("message", "code", "http_status", "request_id", "retry_is_safe", "retry_after_s")


@pytest.mark.parametrize("kind", KINDS)
def test_they_come_back_from_pickle_as_they_were(kind: type[ClientError]) -> None:
    error = kind("m", code=StatusCode.ABORTED, http_status=409, request_id="r", retry_is_safe=True, retry_after_s=1.5)

    again = pickle.loads(pickle.dumps(error))

    assert type(again) is kind
    assert [getattr(again, name) for name in FIELDS] == ["m", StatusCode.ABORTED, 409, "r", True, 1.5]
    assert str(again) == str(error)


_WORKERS = """
    import multiprocessing
    from serverless_dnn.client import ServerError, StatusCode
    from serverless_dnn.client.errors import server_error

    def fail(_):
        raise server_error(StatusCode.UNAVAILABLE, "away", http_status=503, retry_after_s=2)

    if __name__ == "__main__":
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            try:
                pool.map(fail, [0])
            except ServerError as error:
                print(error, error.code, error.http_status, error.retry_after_s)
"""


def test_one_raised_in_a_worker_process_reaches_the_caller(tmp_path: Path) -> None:
    program = tmp_path / "workers.py"
    program.write_text(textwrap.dedent(_WORKERS), encoding="utf-8")

    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False, timeout=60)

    assert done.stdout == "UNAVAILABLE: away StatusCode.UNAVAILABLE 503 2\n", done.stderr


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


class _OfGrpc:
    """What grpc raises, as far as it is looked at."""

    def __init__(self, code: grpc.StatusCode, details: str | None) -> None:
        self._code, self._details = code, details

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str | None:
        return self._details

    def trailing_metadata(self) -> None:
        return None


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
@pytest.mark.parametrize("details", [None, "", "failed to connect", "Socket closed", "Stream removed", "a text"])
def test_every_error_of_grpcs_is_one_of_ours(code: grpc.StatusCode, details: str | None) -> None:
    error = grpc_error(_OfGrpc(code, details), GrpcTarget("h:1", is_tls=False), 1.0)

    assert isinstance(error, ClientError)
    assert type(error) is not ClientError
    assert error.code is StatusCode(code.value[0])


@pytest.mark.parametrize(
    "kind",
    [kind for kind in vars(urllib3.exceptions).values() if isinstance(kind, type) and issubclass(kind, HTTPError)],
)
@pytest.mark.parametrize("left_s", [60.0, -1.0])
def test_every_error_of_urllib3s_is_one_of_ours(kind: type[HTTPError], left_s: float) -> None:
    raised = kind.__new__(kind)
    # What some of them print.
    vars(raised).update(original_error=OSError("refused"), partial=0, expected=1, length=b"x", response=None)

    error = http_error(raised, "http://h", 1.0, HttpCall(time.monotonic() + left_s, 10.0))

    assert isinstance(error, ClientError)
    assert type(error) is not ClientError
    assert isinstance(error, DeadlineError) or left_s > 0
