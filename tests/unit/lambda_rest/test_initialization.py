"""Init returns in time, loads once, and says why when it cannot."""

import os
import threading
import time

import pytest

from serverless_dnn.lambda_rest.function import instance_id
from serverless_dnn.lambda_rest.initialization import Initialization, init_left_s
from serverless_dnn.runtime.errors import DeadlineExceededError, InternalError, NotFoundError, ServingError


def test_it_loads_once_whoever_waits() -> None:
    go_on, loads = threading.Event(), []

    def load() -> str:
        loads.append(1)
        go_on.wait(60)
        return "loaded"

    initialization = Initialization(load)
    initialization.start()
    with pytest.raises(DeadlineExceededError, match="still being loaded"):
        initialization.wait(0.01)
    go_on.set()

    assert [initialization.wait(60), initialization.wait()] == ["loaded", "loaded"]
    assert loads == [1]


@pytest.mark.parametrize(
    ("raised", "seen", "text"),
    [
        (NotFoundError("no model"), NotFoundError, "no model"),
        (OSError(28, "No space left on device"), InternalError, "No space left"),
        (KeyError("bug"), InternalError, "the log has the details"),
    ],
)
def test_errors_reach_whoever_waits(raised: Exception, seen: type[ServingError], text: str) -> None:
    def load() -> None:
        raise raised

    initialization = Initialization(load)
    initialization.start()

    for _ in range(2):
        with pytest.raises(seen, match=text):
            initialization.wait(60)


def test_how_long_init_may_take() -> None:
    now_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    assert 4 < (init_left_s(now_ns - 5_000_000_000, 9.5, {}) or 0) <= 4.5
    assert init_left_s(now_ns - 20_000_000_000, 9.5, {"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"}) == 0
    for patient in ("provisioned-concurrency", "snap-start", "lambda-managed-instances"):
        assert init_left_s(now_ns, 9.5, {"AWS_LAMBDA_INITIALIZATION_TYPE": patient}) is None


def test_processes_of_one_environment_have_different_ids() -> None:
    stream = {"AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/27/[$LATEST]0123456789abcdef"}

    assert instance_id({}) is None
    assert instance_id(stream) == "456789abcdef"
    assert instance_id({**stream, "AWS_LAMBDA_MAX_CONCURRENCY": "8"}) == f"456789abcdef-{os.getpid()}"
