"""Whether a published claim holds in our data: decided by a stated rule on 95 % intervals; pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from serverless_dnn.bench.analysis.results import Estimate
from serverless_dnn.bench.analysis.statistics import Interval

Verdict = Literal["reproduced", "not reproduced", "cannot be tested here"]
REPRODUCED: Final = "reproduced"
NOT_REPRODUCED: Final = "not reproduced"
UNTESTABLE: Final = "cannot be tested here"
Relation = Literal["above", "below", "about"]
NEGLIGIBLE = 0.05
"""A difference that may be none, and is shown to be smaller than this share, counts as none."""
ALIKE = 0.10
"""Two values are alike if they are shown to be within this share of one another."""
RULE = (
    "A comparison holds if its whole 95 % interval is on the claimed side of the bound, however close to it. Otherwise "
    f"it fails if the interval leaves room for a difference of at most {NEGLIGIBLE:.0%} in the claimed direction. "
    f"'About' holds within {ALIKE:.0%} of the bound, and fails if the whole interval is beyond. In between, without an "
    "interval, or for a model that was not measured, it is undecided. A claim is reproduced if all its comparisons "
    "hold, not reproduced if one fails, and otherwise cannot be tested here; a claim of 'often' takes more than half "
    "of them in place of all. Nor can a claim be tested that needs something that this machine does not have."
)
"""How every claim is decided."""
_MOST_REASONS = 3


@dataclass(frozen=True)
class Claim:
    """What the paper claims.

    Attributes:
        name: Unique, such as ``q1a.images``.
        text: The claim.
        rule: What must hold in our data for it to be reproduced.
        needs: ``all`` comparisons, or ``most`` of them.
        paper_number: The number that the paper gives; empty where it gives none.
    """

    name: str
    text: str
    rule: str
    needs: Literal["all", "most"] = "all"
    paper_number: str = ""


@dataclass(frozen=True)
class Condition:
    """A comparison of our data with a bound.

    Attributes:
        what: What is compared, as in a sentence.
        relation: How it must be to the bound.
        bound: The bound.
        estimate: Our number; ``None`` if there is none.
        missing: Why there is none; empty if there is.
    """

    what: str
    relation: Relation
    bound: float
    estimate: Estimate | None
    missing: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether it holds by ``RULE``; ``None`` if that cannot be told."""
        interval = None if self.estimate is None or self.missing else self.estimate.interval
        return None if interval is None else _TESTS[self.relation](interval, self.bound)

    @property
    def reason(self) -> str:
        """Why it is as it is, as part of a sentence."""
        if self.missing or self.estimate is None:
            return f"{self.what}: {self.missing or 'not measured'}"
        interval = self.estimate.interval
        if interval is None:
            return f"{self.what}: {self.estimate.value:.3g}, from too few rounds for an interval"
        between = "" if interval.low == interval.high else f" ({interval.low:.3g} to {interval.high:.3g})"
        state = {True: "holds", False: "fails", None: "is undecided"}[self.holds]
        return f"{self.what}: {self.estimate.value:.3g}{between}, {self.relation} {self.bound:g} {state}"


def _is_above(interval: Interval, bound: float) -> bool | None:
    if interval.low > bound:
        return True
    return False if interval.high < bound * (1 + NEGLIGIBLE) else None


def _is_below(interval: Interval, bound: float) -> bool | None:
    if interval.high < bound:
        return True
    return False if interval.low > bound / (1 + NEGLIGIBLE) else None


def _is_about(interval: Interval, bound: float) -> bool | None:
    low, high = bound / (1 + ALIKE), bound * (1 + ALIKE)
    if low <= interval.low and interval.high <= high:
        return True
    return False if interval.high < low or interval.low > high else None


_TESTS: dict[Relation, Callable[[Interval, float], bool | None]] = {
    "above": _is_above,
    "below": _is_below,
    "about": _is_about,
}


@dataclass(frozen=True)
class Decision:
    """A claim, decided.

    Attributes:
        claim: The claim.
        verdict: Whether it holds in our data.
        reason: Why, in a sentence or two.
        conditions: What was compared.
    """

    claim: Claim
    verdict: Verdict
    reason: str
    conditions: tuple[Condition, ...]


def decide(claim: Claim, conditions: Sequence[Condition], untestable: str = "") -> Decision:
    """Decide a claim by ``RULE``.

    Args:
        claim: The claim.
        conditions: What its rule compares.
        untestable: Why this machine cannot test it whatever was measured; empty if it can.

    Returns:
        The decision.
    """
    verdict: Verdict = (
        UNTESTABLE if untestable or not conditions else _verdict(claim, [each.holds for each in conditions])
    )
    decisive = {REPRODUCED: (True,), NOT_REPRODUCED: (False,), UNTESTABLE: (None, False, True)}[verdict]
    reasons = [each.reason for truth in decisive for each in conditions if each.holds is truth]
    more = [f"and {len(reasons) - _MOST_REASONS} more"] if len(reasons) > _MOST_REASONS else []
    said = [*([untestable] if untestable else []), *reasons[:_MOST_REASONS], *more]
    return Decision(claim, verdict, "; ".join(said) or "nothing was measured", tuple(conditions))


def _verdict(claim: Claim, truths: Sequence[bool | None]) -> Verdict:
    held, failed = truths.count(True), truths.count(False)
    if claim.needs == "most":
        if 2 * held > len(truths):
            return REPRODUCED
        return NOT_REPRODUCED if 2 * failed >= len(truths) else UNTESTABLE
    if failed:
        return NOT_REPRODUCED
    return REPRODUCED if held == len(truths) else UNTESTABLE


def exact(value: float | None) -> Estimate | None:
    """A number that is counted and not sampled: it is known exactly.

    Args:
        value: The number, or ``None``.

    Returns:
        Its estimate.
    """
    return None if value is None else Estimate(value, Interval(value, value), 1)
