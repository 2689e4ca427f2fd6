"""Percentiles are measured values; the median's interval covers as often as it claims."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_dnn.bench.statistics import median_interval, percentile

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
def test_intervals_are_the_published_ranks(count: int, ranks: tuple[int, int] | None) -> None:
    """Le Boudec's table A.1: 95 % order-statistic intervals of the median."""
    interval = median_interval(list(range(1, count + 1)))

    assert (interval and (interval.low, interval.high)) == ranks


@given(st.integers(6, 120))
def test_intervals_cover_as_often_as_claimed(count: int) -> None:
    interval = median_interval(list(range(1, count + 1)))
    assert interval is not None
    inside = sum(math.comb(count, below) for below in range(int(interval.low), int(interval.high))) / 2**count

    assert inside >= 0.95
