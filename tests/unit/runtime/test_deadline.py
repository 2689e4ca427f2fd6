"""A deadline ends a call that has not begun, and so does its caller."""

import pytest

from serverless_dnn.runtime.deadline import FOREVER, Deadline
from serverless_dnn.runtime.errors import CancelledError, DeadlineExceededError


def test_time_that_is_left() -> None:
    assert FOREVER.left_s() is None
    FOREVER.check("anything")
    left_s = Deadline.after(60).left_s()
    assert left_s is not None
    assert 0 < left_s <= 60
    assert Deadline.after(0).left_s() == 0


def test_what_is_late_or_cancelled_is_not_begun() -> None:
    with pytest.raises(DeadlineExceededError, match="before a batch had room"):
        Deadline.after(0).check("a batch had room")
    deadline = Deadline.after(60)
    deadline.check("x")
    deadline.cancel()
    with pytest.raises(CancelledError, match="before x"):
        deadline.check("x")
