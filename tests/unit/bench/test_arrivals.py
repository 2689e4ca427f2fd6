"""Arrivals are what they are called: seeded, of the right rate and distribution, and refused where they make no sense."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.load.arrivals import burst, constant, part_of, poisson, recorded, split


def test_a_burst_is_due_at_once() -> None:
    assert burst(3) == (0, 0, 0)


def test_constant_arrivals_are_equally_far_apart() -> None:
    assert constant(4, 1) == (0, 250_000_000, 500_000_000, 750_000_000)
    assert len(constant(1000, 2.5)) == 2500


def test_poisson_arrivals_have_exponential_intervals_and_a_seed() -> None:
    arrivals = poisson(1000, 60, seed=7)
    intervals_s = np.diff(arrivals) / 1e9

    assert arrivals == poisson(1000, 60, seed=7) != poisson(1000, 60, seed=8)
    assert len(arrivals) == pytest.approx(60_000, rel=0.02)
    assert max(arrivals) < 60e9
    assert list(arrivals) == sorted(arrivals)
    # An exponential distribution's standard deviation is its mean, and 1 / e of it is longer than that.
    assert intervals_s.std() == pytest.approx(intervals_s.mean(), rel=0.02)
    assert (intervals_s > intervals_s.mean()).mean() == pytest.approx(np.exp(-1), abs=0.01)


@pytest.mark.parametrize("arguments", [(0, 1), (1, 0), (-1, 1), (float("nan"), 1), (1e9, 1e9)])
def test_rates_that_make_no_sense(arguments: tuple[float, float]) -> None:
    with pytest.raises(OptionError):
        constant(*arguments)
    with pytest.raises(OptionError):
        poisson(*arguments, seed=0)


def test_recorded_intervals(tmp_path: Path) -> None:
    path = tmp_path / "intervals.txt"
    path.write_text("0\n0.5\n1e-3\n")
    assert recorded(path) == (0, 500_000_000, 501_000_000)

    for text, message in (
        ("1\nsoon\n", "interval 2"),
        ("-1", "interval 1"),
        ("inf", "interval 1"),
        ("", "0 intervals"),
    ):
        path.write_text(text)
        with pytest.raises(OptionError, match=message):
            recorded(path)
    with pytest.raises(OptionError, match="cannot read"):
        recorded(tmp_path / "nope")


@given(st.lists(st.integers(0, 10**12), max_size=50), st.integers(1, 12))
def test_the_parts_of_a_recording_hold_its_intervals(intervals_ns: list[int], parts: int) -> None:
    arrivals_ns = list(itertools.accumulate(intervals_ns))
    each = [part_of(arrivals_ns, parts, number) for number in range(parts)]

    assert [interval for part in each for interval in np.diff((0, *part)).tolist()] == intervals_ns
    assert max(map(len, each)) - min(map(len, each)) <= 1


@given(st.lists(st.integers(0, 10**12), max_size=50).map(sorted), st.integers(1, 7))
def test_splitting_loses_nothing(arrivals: list[int], parts: int) -> None:
    shares = split(arrivals, parts)

    assert sorted(itertools.chain(*shares)) == arrivals
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
