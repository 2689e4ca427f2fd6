"""Which configuration each strategy takes, and what it takes for one to keep an objective."""

from dataclasses import replace

import pytest
from analysis_runs import measured
from hypothesis import given
from hypothesis import strategies as st

from serverless_dnn.bench.analysis.choices import choose, judge_objective, pareto_front, within_slo
from serverless_dnn.bench.analysis.results import ConfigurationSummary, CostSummary, Estimate, WarmSummary
from serverless_dnn.bench.analysis.statistics import Interval


def configuration(
    label: str,
    p50_ms: float,
    usd: float | None,
    *,
    p99_ms: float | None = None,
    p99_interval: tuple[float, float] | None = None,
    failures: int = 0,
    platform: str = "lambda",
    usd_interval: tuple[float, float] | None = None,
) -> ConfigurationSummary:
    percentiles = {50.0: Estimate(p50_ms, Interval(p50_ms, p50_ms), 400)}
    if p99_ms is not None:
        percentiles[99.0] = Estimate(p99_ms, Interval(*(p99_interval or (p99_ms, p99_ms))), 400)
    failed = {"UNAVAILABLE": failures} if failures else {}
    warm = WarmSummary(label, "closed", 400, failed, {}, percentiles, None, None, {}, p50_ms, None, None)
    interval = Interval(*usd_interval) if usd_interval else None if usd is None else Interval(usd, usd)
    cost = CostSummary(label, 1, "", usd, None, None, None, "", "", per_million_interval=interval)
    return ConfigurationSummary(measured(label, platform), {"closed": warm}, None, cost, None, None, None, None)


def test_strategies() -> None:
    """Normalised by 100 ms and 2 dollars: quick 0.1 and 1, cheap 1 and 0.2, between 0.4 and 0.4."""
    of = [configuration("quick", 10, 2.0), configuration("cheap", 100, 0.4), configuration("between", 40, 0.8)]

    assert choose(of) == {"speed": "quick", "cost": "cheap", "balanced": "between"}
    assert choose(of, weight=0)["balanced"] == "quick"
    assert choose(of, weight=1)["balanced"] == "cheap"
    assert choose(of[:1]) == {"speed": "quick", "cost": "quick", "balanced": "quick"}


def test_no_cheapest_where_a_price_is_unknown() -> None:
    assert choose([configuration("a", 10, 1.0), configuration("b", 20, None)]) == {"speed": "a"}
    assert choose([]) == {}


def test_ties_are_broken_by_the_other() -> None:
    of = [configuration("a", 10, 2.0), configuration("b", 10, 1.0), configuration("c", 5, 2.0)]

    assert choose(of[:2])["speed"] == "b"
    assert choose([of[0], of[2]])["cost"] == "c"


def test_an_objective_is_decided_by_the_whole_interval() -> None:
    of = [
        configuration("kept", 10, 2.0, p99_ms=45, p99_interval=(40, 50)),
        configuration("too close", 10, 1.0, p99_ms=45, p99_interval=(40, 50.1)),
        configuration("close beyond", 10, 1.0, p99_ms=55, p99_interval=(50, 60)),
        configuration("missed", 10, 1.0, p99_ms=55, p99_interval=(50.1, 60)),
        configuration("failing", 10, 1.0, p99_ms=20, failures=1),
        configuration("untold", 10, 1.0),
    ]

    assert judge_objective(of, 50) == {
        "kept": "kept", "too close": "undecided", "close beyond": "undecided", "missed": "missed", "failing": "missed",
        "untold": "undecided",
    }  # fmt: skip
    assert within_slo(of, 50) == ("kept",)
    of_one_round = replace(
        of[0].warm["closed"],
        percentiles_ms={50.0: of[0].warm["closed"].percentiles_ms[50.0], 99.0: Estimate(20, None, 400)},
    )
    assert judge_objective([replace(of[0], warm={"closed": of_one_round})], 50) == {"kept": "undecided"}


def test_an_objective_is_kept_by_a_p99_and_without_failures() -> None:
    of = [
        configuration("dear", 10, 2.0, p99_ms=50),
        configuration("unpriced", 10, None, p99_ms=20),
        configuration("cheap", 10, 1.0, p99_ms=49),
        configuration("slow", 10, 0.1, p99_ms=50.1),
        configuration("untold", 10, 0.1),
        configuration("failing", 10, 0.1, p99_ms=20, failures=1),
    ]

    assert within_slo(of, 50) == ("cheap", "dear", "unpriced")
    assert within_slo([], 50) == ()


def test_the_front_by_hand() -> None:
    points = {
        "a": (1.0, 30.0),
        "b": (2.0, 20.0),
        "c": (2.5, 25.0),
        "d": (3.0, 10.0),
        "e": (4.0, 10.0),
        "f": (1.0, 40.0),
    }

    assert pareto_front(points) == ("a", "b", "d")
    assert pareto_front({}) == ()


_POINTS = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=3), st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20
)


@given(_POINTS)
def test_the_front_is_what_nothing_beats(points: dict[str, tuple[float, float]]) -> None:
    def is_beaten(label: str) -> bool:
        cost, time = points[label]
        return any(other != (cost, time) and other[0] <= cost and other[1] <= time for other in points.values())

    front = pareto_front(points)

    assert set(front) == {label for label in points if not is_beaten(label)}
    assert [points[label][0] for label in front] == sorted(points[label][0] for label in front)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_every_choice_is_on_the_front(weight: float) -> None:
    of = [
        configuration(str(place), ms, usd) for place, (ms, usd) in enumerate([(5, 9), (9, 5), (7, 7), (8, 8), (20, 20)])
    ]

    front = pareto_front({each.label: (each.cost.per_million_usd, each.warm["closed"].mean_ms) for each in of})  # type: ignore[union-attr, misc]

    assert set(choose(of, weight).values()) <= set(front)
