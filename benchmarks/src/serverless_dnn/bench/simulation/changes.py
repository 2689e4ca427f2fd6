"""What would change a choice: the rate, the objective, a price, a quota."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from serverless_dnn.bench.simulation.break_even import Band, find_bands
from serverless_dnn.bench.simulation.contest import Contest, usd_of
from serverless_dnn.bench.simulation.deciding_quotas import DecidingQuota, find_quotas
from serverless_dnn.bench.simulation.evaluation import Prediction
from serverless_dnn.bench.simulation.scaling import AWS_IDLE_S


@dataclass(frozen=True)
class OtherObjective:
    """An objective that another option would win.

    Attributes:
        p99_ms: With this objective, and beyond it.
        prediction: What wins.
    """

    p99_ms: float
    prediction: Prediction


@dataclass(frozen=True)
class PriceRise:
    """A rise of all prices of the winner's platform with which another one is the better choice.

    Attributes:
        share: By which share they must rise.
        prediction: What wins then.
    """

    share: float
    prediction: Prediction


@dataclass(frozen=True)
class OtherIdle:
    """What wins if idle instances are kept for equally long everywhere.

    Attributes:
        idle_s: For so long.
        prediction: What wins.
    """

    idle_s: float
    prediction: Prediction


@dataclass(frozen=True)
class Changes:
    """What would change a choice; absent is what does not.

    Attributes:
        rates: Rates at which another candidate wins.
        tighter: What wins once the objective is below the winner's 99th percentile.
        looser: What wins, because it is cheaper, once the objective allows it.
        price_rise: What wins first if the winner's platform raises its prices.
        idle: What wins if idle instances are kept for equally long on all platforms, which is assumed to differ.
        quotas: Quotas without which something else would win.
    """

    rates: tuple[Band, ...] = ()
    tighter: OtherObjective | None = None
    looser: OtherObjective | None = None
    price_rise: PriceRise | None = None
    idle: OtherIdle | None = None
    quotas: tuple[DecidingQuota, ...] = ()


def find_changes(winner: Prediction | None, ranked: Sequence[Prediction], contest: Contest) -> Changes:
    """Find out what would change a choice.

    Args:
        winner: What was chosen; ``None`` if nothing keeps the objective, which only a quota can change.
        ranked: Everything that was considered.
        contest: All candidates, at any rate.

    Returns:
        What would change it.
    """
    quotas = find_quotas(contest, winner, ranked)
    if winner is None:
        return Changes(quotas=quotas)
    has_others = len(contest.candidates) > 1
    return Changes(
        rates=find_bands(contest, winner.option.candidate) if has_others else (),
        tighter=tighter_objective(winner, ranked),
        looser=looser_objective(winner, ranked),
        price_rise=price_rise(winner, ranked),
        idle=_idle_that_matters(winner, contest) if has_others else None,
        quotas=quotas,
    )


def tighter_objective(winner: Prediction, ranked: Sequence[Prediction]) -> OtherObjective | None:
    """What wins once the objective is below the winner's 99th percentile.

    Args:
        winner: What was chosen.
        ranked: Everything that was considered.
    """
    faster = [each for each in ranked if each.p99_ms < winner.p99_ms and each.usd_per_month is not None]
    return OtherObjective(winner.p99_ms, min(faster, key=usd_of)) if faster else None


def looser_objective(winner: Prediction, ranked: Sequence[Prediction]) -> OtherObjective | None:
    """What wins first, because it is cheaper, as the objective is loosened.

    Args:
        winner: What was chosen.
        ranked: Everything that was considered.
    """
    cheaper = [each for each in ranked if usd_of(each) < usd_of(winner) and math.isfinite(each.p99_ms)]
    if not cheaper:
        return None
    first = min(cheaper, key=lambda each: each.p99_ms)
    return OtherObjective(first.p99_ms, first)


def price_rise(winner: Prediction, ranked: Sequence[Prediction]) -> PriceRise | None:
    """What wins first as the winner's platform raises its prices: the cheapest elsewhere that keeps the objective.

    Args:
        winner: What was chosen.
        ranked: Everything that was considered.
    """
    platform = winner.option.candidate.platform
    elsewhere = [each for each in ranked if each.option.candidate.platform != platform and each.keeps_objective]
    if not elsewhere or not winner.usd_per_month:
        return None
    first = min(elsewhere, key=lambda each: each.rank)
    return PriceRise(usd_of(first) / winner.usd_per_month - 1, first)


def _idle_that_matters(winner: Prediction, contest: Contest) -> OtherIdle | None:
    """How long idle instances are kept is assumed, and differs between platforms: it must not decide unseen."""
    market = contest.market
    if market.quotas.idle_s is not None:
        return None
    same = contest.under(replace(market, quotas=replace(market.quotas, idle_s=AWS_IDLE_S)))
    other = same.winner(contest.demand.rate)
    if other.option.candidate.label == winner.option.candidate.label or not other.keeps_objective:
        return None
    return OtherIdle(AWS_IDLE_S, other)
