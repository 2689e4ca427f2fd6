"""Durations are billed as each platform says, to the nanosecond at the edges."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_dnn.bench.analysis.billing import (
    billed_shares_ns,
    busy_periods,
    cloud_run_instance_usage,
    cloud_run_usage,
    lambda_usage,
    round_up,
    sagemaker_usage,
)

_MS = 1_000_000
_INTERVALS = st.lists(
    st.tuples(st.integers(0, 10**6), st.integers(0, 10**5)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=40
)


@pytest.mark.parametrize(
    ("duration_ns", "step_ns", "billed_ns"),
    [
        (0, _MS, 0),
        (1, _MS, _MS),
        (_MS - 1, _MS, _MS),
        (_MS, _MS, _MS),
        (_MS + 1, _MS, 2 * _MS),
        (99_999_999, 100 * _MS, 100 * _MS),
        (100 * _MS, 100 * _MS, 100 * _MS),
        (100 * _MS + 1, 100 * _MS, 200 * _MS),
        # Beyond what a float holds exactly.
        (10**16 * _MS + 1, _MS, (10**16 + 1) * _MS),
    ],
)
def test_durations_are_rounded_up(duration_ns: int, step_ns: int, billed_ns: int) -> None:
    assert round_up(duration_ns, step_ns) == billed_ns


@given(st.integers(0, 10**15), st.sampled_from([1, _MS, 100 * _MS]))
def test_rounding_adds_less_than_a_step(duration_ns: int, step_ns: int) -> None:
    billed_ns = round_up(duration_ns, step_ns)

    assert billed_ns % step_ns == 0
    assert 0 <= billed_ns - duration_ns < step_ns
    assert round_up(billed_ns, step_ns) == billed_ns


def test_overlapping_requests_are_billed_once() -> None:
    intervals = [(250 * _MS, 260 * _MS), (0, 80 * _MS), (50 * _MS, 130 * _MS), (60 * _MS, 70 * _MS)]

    assert busy_periods(intervals) == [(0, 130 * _MS), (250 * _MS, 260 * _MS)]
    # 130 ms are billed as 200, and 10 ms as 100.
    assert billed_shares_ns(intervals) == [*[200 * _MS / 3] * 3, 100 * _MS]


def test_requests_that_touch_are_one_busy_period() -> None:
    assert billed_shares_ns([(0, 40 * _MS), (40 * _MS, 100 * _MS)]) == [50 * _MS] * 2
    assert billed_shares_ns([(0, 40 * _MS), (40 * _MS + 1, 100 * _MS)]) == [100 * _MS] * 2
    assert billed_shares_ns([]) == []


@given(_INTERVALS)
def test_busy_periods_are_the_union_of_the_intervals(intervals: list[tuple[int, int]]) -> None:
    periods = busy_periods(intervals)

    assert periods == sorted(periods)
    assert all(end < begin for (_, end), (begin, _) in itertools.pairwise(periods))
    assert all(any(begin <= start and stop <= end for begin, end in periods) for start, stop in intervals)
    ends = {end for interval in intervals for end in interval}
    assert all(end in ends for period in periods for end in period)
    total = sum(end - begin for begin, end in periods)
    assert total <= sum(end - begin for begin, end in intervals)
    assert busy_periods(periods) == periods
    assert busy_periods(reversed(intervals)) == periods


@given(_INTERVALS)
def test_sharing_never_costs_more(intervals: list[tuple[int, int]]) -> None:
    alone_ns = sum(round_up(end - begin, 1000) for begin, end in intervals)

    billed_ns = round(sum(billed_shares_ns(intervals, 1000)))
    assert len(billed_shares_ns(intervals, 1000)) == len(intervals)
    assert sum(end - begin for begin, end in busy_periods(intervals)) <= billed_ns <= alone_ns


def test_usage_by_hand() -> None:
    """1,769 MB for 10 ms; 2 GB for 10 ms with half a GB of data; 1 vCPU and 2 GiB for 100 ms."""
    assert lambda_usage(1769, 10 * _MS) == {"duration": pytest.approx(1769 / 1024 * 0.01), "requests": 1}
    assert sagemaker_usage(2048, 10 * _MS, 1 << 29) == {"duration at 2048 MB": 0.01, "data processed": 0.5}
    assert cloud_run_usage(1, 2048, 100 * _MS) == {"cpu": 0.1, "memory": 0.2, "requests": 1}
    assert cloud_run_instance_usage(2, 4096, 100 * _MS) == {"instance-based cpu": 0.2, "instance-based memory": 0.4}
