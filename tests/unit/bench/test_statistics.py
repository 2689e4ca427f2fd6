"""Percentiles are measured values, and intervals cover as often as they claim."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_dnn.bench.analysis.statistics import (
    Interval,
    geometric_interval,
    is_carried,
    needed_count,
    percentile,
    percentile_interval,
    welch_ratio_interval,
)

_VALUES = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=200)


@given(_VALUES, st.floats(0.1, 100))
def test_percentiles_are_numpys_nearest_rank(values: list[float], percent: float) -> None:
    assert percentile(values, percent) == np.percentile(values, percent, method="inverted_cdf")


@given(_VALUES)
def test_percentiles_are_values_that_were_measured(values: list[float]) -> None:
    assert percentile(values, 50) in values
    assert percentile(values, 100) == max(values)


@pytest.mark.parametrize(("values", "percent"), [([], 50), ([1], 0), ([1], 101)])
def test_what_has_no_percentile(values: list[float], percent: float) -> None:
    with pytest.raises(ValueError, match="need values"):
        percentile(values, percent)


@pytest.mark.parametrize(("count", "ranks"), [(5, None), (6, (1, 6)), (10, (2, 9)), (40, (14, 27))])
def test_intervals_of_the_median_are_the_published_ranks(count: int, ranks: tuple[int, int] | None) -> None:
    """Le Boudec's table A.1: 95 % order-statistic intervals of the median."""
    interval = percentile_interval(list(range(1, count + 1)), 50)

    assert (interval and (interval.low, interval.high)) == ranks


@given(st.integers(1, 2000), st.sampled_from([50.0, 90.0, 95.0, 99.0]))
def test_intervals_by_order_statistics_cover_as_often_as_claimed(count: int, percent: float) -> None:
    interval = percentile_interval(list(range(1, count + 1)), percent)
    if interval is None:
        return
    share = percent / 100
    inside = sum(
        math.exp(
            math.lgamma(count + 1) - math.lgamma(below + 1) - math.lgamma(count - below + 1)
            + below * math.log(share) + (count - below) * math.log1p(-share)
        )
        for below in range(int(interval.low), int(interval.high))
    )  # fmt: skip

    assert inside >= 0.95 - 1e-9


@pytest.mark.parametrize(("percent", "fewest"), [(50, 6), (95, 72), (99, 368)])
def test_how_many_values_a_percentile_needs(percent: float, fewest: int) -> None:
    assert not is_carried(fewest - 1, percent)
    assert is_carried(fewest, percent)
    assert needed_count(percent) == fewest
    assert percentile_interval([1.0] * (fewest - 1), percent) is None


def test_students_interval_by_hand() -> None:
    """Logarithms 0, 1, 2: mean 1, standard error 1 / sqrt(3), and t of 2 degrees of freedom at 97.5 % is 4.3027."""
    interval = geometric_interval([1.0, math.e, math.e**2])

    margin = 4.302652729911275 / math.sqrt(3)
    assert interval is not None
    assert (interval.low, interval.high) == (pytest.approx(math.exp(1 - margin)), pytest.approx(math.exp(1 + margin)))


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 0.0], [1.0, -1.0]])
def test_what_has_no_students_interval(values: list[float]) -> None:
    assert geometric_interval(values) is None


def test_welchs_interval_is_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    before, after = [10.0, 11.0, 10.5, 9.8], [12.0, 15.0, 13.1]

    interval = welch_ratio_interval(before, after)

    expected = stats.ttest_ind(np.log(after), np.log(before), equal_var=False).confidence_interval(0.95)
    assert interval is not None
    assert np.log([interval.low, interval.high]) == pytest.approx([expected.low, expected.high])


def test_two_runs_without_spread_have_an_exact_ratio() -> None:
    assert welch_ratio_interval([2.0, 2.0], [3.0, 3.0]) == Interval(pytest.approx(1.5), pytest.approx(1.5))
    assert welch_ratio_interval([2.0], [3.0, 3.0]) is None


def test_intervals_that_share_an_end_overlap() -> None:
    assert Interval(1, 2).overlaps(Interval(2, 3))
    assert not Interval(1, 2).overlaps(Interval(2.1, 3))
    assert Interval(1, 2).hull(Interval(4, 5)) == Interval(1, 5)
