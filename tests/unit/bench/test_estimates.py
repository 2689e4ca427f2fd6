"""An estimate's interval covers what differs from round to round; a ratio's leaves out what both have in common."""

import numpy as np
import pytest
from scipy.special import ndtri

from serverless_dnn.bench.analysis.estimates import estimate, paired_ratio, round_percentiles, unpaired_ratio
from serverless_dnn.bench.analysis.statistics import percentile_interval

# So many that what is shown does not hang on the seed: the standard error of 95 % is 0.4 %.
_TRIALS = 3000
_MEDIAN_MS = 40.0


def _rounds(
    random: np.random.Generator, rounds: int, requests: int, *, offsets: str = "uniform"
) -> dict[int, list[float]]:
    """Rounds that are up to 30 % off, in either direction, with requests that spread by 5 % within each."""
    most = np.log(1.3)
    logs = random.uniform(-most, most, rounds) if offsets == "uniform" else random.normal(0, most / 2, rounds)
    values = _MEDIAN_MS * np.exp(logs)[:, None] * random.lognormal(0, 0.05, (rounds, requests))
    return {number: list(row) for number, row in enumerate(values)}


@pytest.mark.parametrize(
    ("rounds", "offsets", "at_least"),
    [
        (10, "uniform", 0.93),
        (10, "normal", 0.94),
        (5, "normal", 0.94),
        (3, "normal", 0.94),
        # Student's interval takes rounds to be normal; where there are few and they are not, it covers less.
        (3, "uniform", 0.90),
    ],
)
def test_intervals_cover_the_spread_between_rounds(rounds: int, offsets: str, at_least: float) -> None:
    random = np.random.default_rng(17)
    covered = covered_by_order_statistics = 0
    for _ in range(_TRIALS):
        drawn = _rounds(random, rounds, 40, offsets=offsets)
        found = estimate(drawn, 50)
        assert found is not None
        assert found.interval is not None
        covered += found.interval.low <= _MEDIAN_MS <= found.interval.high
        within = percentile_interval([value for values in drawn.values() for value in values], 50)
        assert within is not None
        covered_by_order_statistics += within.low <= _MEDIAN_MS <= within.high

    assert covered / _TRIALS >= at_least
    assert covered_by_order_statistics / _TRIALS < 0.5


def test_a_ratio_leaves_out_what_slows_a_whole_round() -> None:
    random = np.random.default_rng(17)
    covered = 0
    for _ in range(_TRIALS):
        offsets = np.exp(random.uniform(-0.3, 0.3, 10))
        slow, fast = (
            {number: list(factor * offset * random.lognormal(0, 0.05, 40)) for number, offset in enumerate(offsets)}
            for factor in (1.1, 1.0)
        )
        found = paired_ratio(slow, fast)
        assert found is not None
        assert found.interval is not None
        # Narrow enough to tell 10 % apart, although rounds differ by 60 %.
        assert found.interval.low > 1
        covered += found.interval.low <= 1.1 <= found.interval.high

    assert covered / _TRIALS >= 0.93


def test_an_estimate_is_a_measured_value_inside_its_interval() -> None:
    drawn = _rounds(np.random.default_rng(1), 5, 100)

    for percent in (50, 90, 95):
        found = estimate(drawn, percent)
        assert found is not None
        assert found.interval is not None
        assert found.interval.low <= found.value <= found.interval.high
        assert found.count == 500
        assert any(found.value in values for values in drawn.values())


def test_percentiles_that_the_count_does_not_carry_are_absent() -> None:
    values = [float(value) for value in range(1, 41)]

    assert estimate({0: values}, 99) is None
    assert estimate({0: values[:20], 1: values[20:]}, 95) is None
    assert estimate({}, 50) is None
    assert estimate({0: []}, 50) is None


def test_one_round_says_nothing_of_the_next() -> None:
    found = estimate({0: [float(value) for value in range(1, 401)]}, 99)

    assert found is not None
    assert (found.value, found.interval, found.count) == (396, None, 400)


def test_a_round_must_hold_a_value_beyond_a_percentile_to_have_one() -> None:
    assert round_percentiles(_rounds(np.random.default_rng(1), 10, 40), 99) == {}
    assert len(round_percentiles(_rounds(np.random.default_rng(1), 2, 100), 99)) == 2


def test_the_median_of_an_even_number_is_between_the_two_in_the_middle() -> None:
    assert round_percentiles({0: [1.0, 2.0, 4.0, 9.0], 1: [5.0], 2: [3.0, 1.0, 2.0], 3: []}, 50) == {0: 3, 1: 5, 2: 2}


@pytest.mark.parametrize(
    ("between", "within", "percent"),
    [(0.0, 0.2, 99), (0.0, 0.2, 90), (0.05, 0.2, 99), (0.1, 0.2, 95), (0.1, 0.2, 99), (0.2, 0.2, 99), (0.15, 0.05, 99)],
)
@pytest.mark.parametrize("rounds", [5, 10])
def test_intervals_of_high_percentiles_cover_the_spread_between_rounds(
    between: float, within: float, percent: float, rounds: int
) -> None:
    """400 requests whose logarithms are normal, in rounds whose logarithms are as well: so is what all rounds hold."""
    random = np.random.default_rng(17)
    true_ms = _MEDIAN_MS * np.exp(ndtri(percent / 100) * np.hypot(between, within))
    covered = covered_by_order_statistics = 0
    for _ in range(_TRIALS // 3):
        offsets = random.normal(0, between, (rounds, 1)) + random.normal(0, within, (rounds, 400 // rounds))
        drawn = dict(enumerate((_MEDIAN_MS * np.exp(offsets)).tolist()))
        found = estimate(drawn, percent)
        assert found is not None
        assert found.interval is not None
        covered += found.interval.low <= true_ms <= found.interval.high
        alone = percentile_interval([value for values in drawn.values() for value in values], percent)
        assert alone is not None
        covered_by_order_statistics += alone.low <= true_ms <= alone.high

    # Five rounds say little of how far off one in a hundred is.
    assert covered / (_TRIALS // 3) >= (0.95 if between <= within else 0.92)
    if between >= within:
        assert covered_by_order_statistics < covered


def test_rounds_of_one_value_are_independent_already() -> None:
    """Cold starts: the 1st and the 6th of six enclose the median."""
    found = estimate({number: [float(number + 1)] for number in range(6)}, 50)

    assert found is not None
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == (1, 6)
    fewer = estimate({number: [float(number + 1)] for number in range(5)}, 50)
    assert fewer is not None
    assert (fewer.value, fewer.interval) == (3, None)


def test_ratios_need_three_common_rounds() -> None:
    ours = {0: [2.0] * 5, 1: [4.0] * 5, 7: [9.0] * 5}
    theirs = {0: [1.0] * 5, 1: [1.0] * 5, 2: [1.0] * 5}

    found = paired_ratio(ours, theirs)
    assert found is not None
    assert (found.value, found.interval, found.count) == (pytest.approx(8**0.5), None, 2)
    assert paired_ratio({5: [1.0]}, theirs) is None


def test_ratios_of_two_runs() -> None:
    before, after = (
        {number: [value] * 9 for number, value in enumerate(values)} for values in ([10, 11, 12], [20, 22, 24])
    )

    found = unpaired_ratio(before, after)
    assert found is not None
    assert found.interval is not None
    assert found.value == pytest.approx(2)
    assert found.interval.low < 2 < found.interval.high
    assert unpaired_ratio(before, {}) is None
    single = unpaired_ratio(before, {0: [20.0] * 9})
    assert single is not None
    assert single.interval is None
