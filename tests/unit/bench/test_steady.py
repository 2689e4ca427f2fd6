"""When measurements have settled, and when there are enough of them."""

import numpy as np
import pytest

from serverless_dnn.bench.analysis.estimates import estimate
from serverless_dnn.bench.analysis.steady import has_settled, is_precise, is_stable, may_stop, windows_of


@pytest.mark.parametrize(
    ("medians", "expected"),
    [
        ([10, 10], None),
        ([10, 10, 11], True),
        ([10, 10, 11.1], False),
        ([99, 10, 10.5, 11], True),
        ([10, 10, 10, 20], False),
        ([11, 10.5, 10], True),
    ],
)
def test_the_last_three_windows_decide(medians: list[float], expected: bool | None) -> None:
    windows = [[median * 0.5, median, median * 3] for median in medians]

    assert is_stable(windows) is expected
    assert has_settled(windows) is (expected is True)


def test_empty_windows_are_passed_over() -> None:
    assert is_stable([[10.0], [], [10.0], []]) is None
    assert is_stable([[10.0], [], [10.0], [30.0]]) is False


def test_a_warm_up_settles_once_it_stops_getting_faster() -> None:
    windows = [[100.0], [60.0], [40.0], [30.0], [29.0], [28.0]]

    assert [has_settled(windows[:count]) for count in range(1, 7)] == [False, False, False, False, False, True]


def test_precision_is_of_the_interval_not_of_the_values() -> None:
    wild = [[5.0, 10.0, 10.0, 10.0, 30.0] * 10 for _ in range(5)]
    rounds_differ = [[value] * 50 for value in (10.0, 13.0, 8.0, 11.0, 9.0)]

    assert is_precise(wild)
    assert not is_precise(rounds_differ)
    assert not is_precise([[10.0] * 1000])
    assert not is_precise([])


def test_precision_has_a_width() -> None:
    rounds = [[value] * 50 for value in (10.0, 10.1, 10.2, 9.9, 9.8)]

    assert is_precise(rounds, 0.10)
    assert not is_precise(rounds, 0.01)


def test_it_takes_a_narrow_interval_twice_running_to_stop() -> None:
    rounds = [[value] * 50 for value in (10.0, 10.6, 9.5, 10.1, *[10.0] * 20)]
    precise = [is_precise(rounds[:count], 0.03) for count in range(1, len(rounds) + 1)]
    first = precise.index(True) + 1

    assert all(precise[first:])
    assert first > 10
    assert not may_stop(rounds[:first], 0.03)
    assert may_stop(rounds[: first + 1], 0.03)


def test_a_few_rounds_that_agree_are_not_enough_to_stop() -> None:
    rounds = [[10.0] * 50 for _ in range(10)]

    assert is_precise(rounds[:9])
    assert not may_stop(rounds[:9])
    assert may_stop(rounds)


def test_the_interval_still_covers_the_median_when_a_run_stops() -> None:
    random, covered, runs = np.random.default_rng(17), 0, 500
    for _ in range(runs):
        rounds: list[list[float]] = []
        while not may_stop(rounds):
            # Requests differ by 10 %, and rounds by 4 %; the median is 10.
            circumstances = random.normal(0, 0.04)
            rounds.append((10 * np.exp(circumstances + random.normal(0, 0.10, 20))).tolist())
        median = estimate(dict(enumerate(rounds)), 50)
        assert median is not None
        assert median.interval is not None
        covered += median.interval.low <= 10 <= median.interval.high

    # Of a count fixed beforehand it is 95 %; at the first narrow interval, after five rounds or more, it is 93 %.
    assert covered / runs >= 0.93


def test_windows_are_thirds_of_the_rounds_up_to_the_last() -> None:
    rounds = [[float(number)] for number in range(10)]

    assert windows_of(rounds) == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert windows_of([[1.0], [], [2.0], [3.0]]) == [[1], [2], [3]]
    assert windows_of([[1.0], [2.0]]) == [[1], [2]]
    assert windows_of([]) == []
    # A drift is one however long it takes.
    assert is_stable(windows_of([[10.0 * 1.02**number] for number in range(12)])) is False
