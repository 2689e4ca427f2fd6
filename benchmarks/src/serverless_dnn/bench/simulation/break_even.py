"""The rates at which something else is the better choice: bands, for an order may change back."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from serverless_dnn.bench.simulation.contest import Contest, usd_of
from serverless_dnn.bench.simulation.evaluation import Prediction
from serverless_dnn.bench.simulation.options import Candidate

_STEP = 2.0
_LOWEST, _HIGHEST = 1e-5, 1e6
"""Requests a second. At a request a day every one of them finds no instance but those that always run: fewer change
nothing. Upwards, quotas end the search long before."""
_RESOLUTION = 1.1
"""Bands and gaps that are narrower are not looked for."""
_END_RESOLUTION = 1.05
_TRIES = 6
_MOST_BANDS = 4
"""In each direction: the nearest."""


Reason = Literal["cheaper", "faster", "objective"]


@dataclass(frozen=True)
class Band:
    """Rates at which another candidate is the better choice.

    Attributes:
        from_rate: The lowest, in requests a second; ``None`` if the band goes on however rare requests are.
        to_rate: The highest; ``None`` if the band goes on however many there are.
        is_above: Whether it is above the rate that was asked about, or below.
        reason: Because it is ``cheaper``, because it is ``faster`` for the same (as where both are free), or because
            the winner no longer keeps the ``objective``.
        prediction: What is chosen at the end that is nearer to that rate.
    """

    from_rate: float | None
    to_rate: float | None
    is_above: bool
    reason: Reason
    prediction: Prediction


@dataclass(frozen=True)
class _Seen:
    """What wins at a rate; nothing does if nothing keeps the objective."""

    rate: float
    label: str | None


def find_bands(contest: Contest, ours: Candidate) -> tuple[Band, ...]:
    """Find the rates at which another candidate than the winner is the better choice.

    The order is searched for roughly. Each end of a band is then confirmed by the evaluation that gave the answer, at
    the very rate that is reported, so that asking at it gives what is said.

    Args:
        contest: The candidates, at any rate.
        ours: The winner's.

    Returns:
        The bands above the rate that was asked about, the nearest first, and then those below.
    """
    bands = (_bands(contest, ours, factor) for factor in (_STEP, 1 / _STEP))
    return tuple(each for direction in bands for each in itertools.islice(direction, _MOST_BANDS))


def three_digits(value: float) -> float:
    """Round to three significant digits, which is how rates are written.

    Args:
        value: The number, above 0.
    """
    return round(value, 2 - math.floor(math.log10(value)))


def _bands(contest: Contest, ours: Candidate, factor: float) -> Iterator[Band]:
    seen, is_above = list(_walk(contest, ours, factor)), factor > 1
    places = itertools.groupby(range(len(seen)), key=lambda place: seen[place].label not in (ours.label, None))
    for is_other, group in places:
        band = list(group)
        if not is_other:
            continue
        first, last = seen[band[0]].rate, seen[band[-1]].rate
        near = _confirmed(contest, ours, _end(contest, ours, first, seen[band[0] - 1].rate), last)
        if near is None:
            continue
        far = None
        if band[-1] + 1 < len(seen):
            end = _confirmed(contest, ours, _end(contest, ours, last, seen[band[-1] + 1].rate), near)
            # A band may turn out to be no more than one rate.
            far = near if end is None else max(near, end) if is_above else min(near, end)
        yield Band(
            from_rate=near if is_above else far,
            to_rate=far if is_above else near,
            is_above=is_above,
            reason=_reason(contest.winner(near, [ours]), prediction := contest.winner(near)),
            prediction=prediction,
        )


def _reason(ours: Prediction, other: Prediction) -> Reason:
    if not ours.keeps_objective:
        return "objective"
    return "cheaper" if usd_of(other) < usd_of(ours) else "faster"


def _walk(contest: Contest, ours: Candidate, factor: float) -> Iterator[_Seen]:
    """What wins, rate by rate away from the one that was asked about, until nothing does."""
    near = contest.demand.rate
    # There the answer is known.
    yield _Seen(near, ours.label)
    while _LOWEST < near < _HIGHEST:
        far = near * factor
        for rate, among in _between(contest, near, far, contest.candidates):
            seen = _look(contest, rate, among)
            yield seen
        if seen.label is None:
            return
        near = far


def _between(
    contest: Contest, near: float, far: float, among: Sequence[Candidate]
) -> Iterator[tuple[float, Sequence[Candidate]]]:
    """The rates after one up to another at which to look, and who may win there."""
    rivals = contest.rivals(min(near, far), max(near, far), among)
    is_settled = len(rivals) == 1 and _look(contest, near, among).label == _look(contest, far, among).label
    if is_settled or max(near / far, far / near) <= _RESOLUTION:
        yield far, rivals
        return
    middle = math.sqrt(near * far)
    yield from _between(contest, near, middle, rivals)
    yield from _between(contest, middle, far, rivals)


def _look(contest: Contest, rate: float, among: Sequence[Candidate] = ()) -> _Seen:
    champion = contest.champion(rate, among)
    return _Seen(rate, champion.option.candidate.label if champion.keeps_objective else None)


def _end(contest: Contest, ours: Candidate, inside: float, outside: float) -> float:
    """The last rate of a band, roughly, between one in it and one beyond it."""
    while max(inside / outside, outside / inside) > _END_RESOLUTION:
        middle = math.sqrt(inside * outside)
        if _look(contest, middle).label in (ours.label, None):
            outside = middle
        else:
            inside = middle
    return inside


def _confirmed(contest: Contest, ours: Candidate, end: float, inner: float) -> float | None:
    """The rate at which another candidate does win: the end of a band, or a little further inside.

    Args:
        contest: The candidates, at any rate.
        ours: The winner's.
        end: The end of the band, roughly.
        inner: Its other end.
    """
    goes_up, step = inner > end, _END_RESOLUTION
    for _ in range(_TRIES):
        rate = three_digits(end)
        if contest.is_beaten(ours, rate):
            return rate
        end = end * step if goes_up else end / step
        if goes_up != (inner > end):
            break
        step *= step
    return None
