"""A claim is decided by the intervals of its comparisons: what is false is not reproduced, what is open is not said."""

from dataclasses import replace

import pytest

from serverless_dnn.bench.analysis.claims import (
    NOT_REPRODUCED,
    REPRODUCED,
    UNTESTABLE,
    Claim,
    Condition,
    decide,
    exact,
)
from serverless_dnn.bench.analysis.results import Estimate
from serverless_dnn.bench.analysis.statistics import Interval

_ALL = Claim("a", "a claim", "its rule")
_MOST = replace(_ALL, needs="most")


def _condition(relation: str, low: float, high: float, bound: float = 1.0) -> Condition:
    return Condition("x", relation, bound, Estimate((low + high) / 2, Interval(low, high), 5))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("relation", "low", "high", "holds"),
    [
        ("above", 1.1, 1.3, True),
        ("above", 0.7, 0.9, False),
        ("above", 0.9, 1.3, None),
        # Shown to be no larger than anyone would notice.
        ("above", 0.98, 1.04, False),
        ("above", 1.01, 1.04, True),
        ("below", 0.7, 0.9, True),
        ("below", 1.1, 1.3, False),
        ("below", 0.9, 1.3, None),
        ("about", 0.95, 1.05, True),
        ("about", 1.2, 1.4, False),
        ("about", 0.5, 0.8, False),
        ("about", 0.8, 1.2, None),
    ],
)
def test_a_comparison_is_decided_by_its_whole_interval(
    relation: str, low: float, high: float, holds: bool | None
) -> None:
    assert _condition(relation, low, high).holds is holds


def test_without_an_interval_or_a_number_a_comparison_is_undecided() -> None:
    assert Condition("x", "above", 1.0, Estimate(9.0, None, 1)).holds is None
    assert Condition("x", "above", 1.0, None, "not measured").holds is None
    # A number that must not be used decides nothing either.
    assert replace(_condition("above", 2.0, 3.0), missing="the run is invalid").holds is None


def test_a_claim_takes_all_of_its_comparisons() -> None:
    holds, fails, open_ = _condition("above", 2, 3), _condition("above", 0.2, 0.3), _condition("above", 0.5, 2)
    assert decide(_ALL, [holds, holds]).verdict == REPRODUCED
    assert decide(_ALL, [holds, fails, open_]).verdict == NOT_REPRODUCED
    assert decide(_ALL, [holds, open_]).verdict == UNTESTABLE
    assert decide(_ALL, []).verdict == UNTESTABLE


def test_often_takes_more_than_half_of_its_comparisons() -> None:
    holds, fails, open_ = _condition("above", 2, 3), _condition("above", 0.2, 0.3), _condition("above", 0.5, 2)
    assert decide(_MOST, [holds, holds, fails]).verdict == REPRODUCED
    assert decide(_MOST, [holds, fails]).verdict == NOT_REPRODUCED
    assert decide(_MOST, [holds, open_]).verdict == UNTESTABLE


def test_what_this_machine_cannot_test_is_not_decided_whatever_was_measured() -> None:
    decision = decide(_ALL, [_condition("above", 2, 3)], "there is no AVX-512")
    assert decision.verdict == UNTESTABLE
    assert decision.reason.startswith("there is no AVX-512")


def test_the_reason_names_what_decided() -> None:
    decision = decide(_ALL, [_condition("above", 2, 3), replace(_condition("above", 0.2, 0.3), what="BERT")])
    assert "BERT" in decision.reason
    assert "x:" not in decision.reason
    assert "(" not in Condition("size", "about", 1.0, exact(1.02)).reason
