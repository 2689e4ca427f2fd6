"""Places and memory are given while there are any, and given back once; a drain waits for all of them."""

import threading
import time

import pytest

from serverless_dnn.protos.tensor import TensorCodecError
from serverless_dnn.runtime.errors import ResourceExhaustedError, UnavailableError
from serverless_dnn.runtime.inference.admission import Admission
from serverless_dnn.runtime.inference.drain import drain

MIB = 1 << 20


def test_as_many_requests_as_are_allowed_have_a_place() -> None:
    admission = Admission(concurrency=2, max_bytes=MIB)
    first, second = admission.admit(0), admission.admit(0)

    with pytest.raises(ResourceExhaustedError, match="2 requests are running or waiting"):
        admission.admit(0)
    first.release()
    first.release()

    admission.admit(0)
    with pytest.raises(ResourceExhaustedError):
        admission.admit(0)
    second.release()
    assert (admission.accepted, admission.answered, admission.in_work) == (3, 2, 1)


def test_requests_share_the_memory_and_one_that_is_alone_always_has_its_own() -> None:
    admission = Admission(memory_bytes=10 * MIB, max_bytes=100 * MIB)

    with admission.admit(8 * MIB) as alone:
        alone.budget.spend(50 * MIB, "a tensor")
        with pytest.raises(ResourceExhaustedError, match="hold 58 MiB of the 10 MiB"):
            admission.admit(1)
    with admission.admit(4 * MIB) as first, admission.admit(4 * MIB) as second:
        first.budget.hold(2 * MIB)
        with pytest.raises(ResourceExhaustedError, match="try again later"):
            second.budget.hold(1)
    with admission.admit(10 * MIB):
        pass
    assert admission.in_work == 0


def test_a_request_has_a_limit_of_its_own() -> None:
    with Admission(max_bytes=100).admit(1000) as place:
        place.budget.spend(60, "x")
        with pytest.raises(TensorCodecError, match="y takes 60 bytes, more than the 40 bytes left of the 100 allowed"):
            place.budget.spend(60, "y")


def test_a_drain_refuses_what_comes_and_waits_for_what_runs() -> None:
    admission = Admission(max_bytes=MIB)
    place = admission.admit(0)
    ended: list[bool] = []
    waiter = threading.Thread(target=lambda: ended.append(drain(admission, 60)))
    waiter.start()
    while not admission.draining:
        time.sleep(0.001)

    with pytest.raises(UnavailableError, match="shutting down"):
        admission.admit(0)
    assert waiter.is_alive()
    place.release()
    waiter.join(60)

    assert ended == [True]


def test_a_drain_ends_with_its_time() -> None:
    admission = Admission(max_bytes=MIB)
    admission.admit(0)

    assert not drain(admission, 0)
