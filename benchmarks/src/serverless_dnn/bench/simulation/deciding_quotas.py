"""Quotas without which something else would be chosen."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from serverless_dnn.bench.simulation.contest import Contest
from serverless_dnn.bench.simulation.evaluation import Prediction
from serverless_dnn.bench.simulation.scaling import LAMBDA_REQUESTS_PER_S_PER_CONCURRENCY, SAGEMAKER_MAX_CONCURRENCY

_NO_LIMIT = 1_000_000
_MORE, _TRIES = 1.25, 8


@dataclass(frozen=True)
class DecidingQuota:
    """A quota that keeps a platform from being chosen.

    Attributes:
        platform: The platform's name.
        quota: What it is.
        needed: What would be enough.
        prediction: What would then be chosen.
    """

    platform: str
    quota: int
    needed: int
    prediction: Prediction


def find_quotas(contest: Contest, winner: Prediction | None, ranked: Sequence[Prediction]) -> tuple[DecidingQuota, ...]:
    """Find quotas that decided.

    Args:
        contest: The candidates.
        winner: What was chosen; ``None`` if nothing keeps the objective.
        ranked: Everything that was considered.

    Returns:
        One for each platform with another choice if only its quota were higher.
    """
    quotas = contest.market.quotas
    platforms = dict.fromkeys(each.option.candidate.platform for each in ranked)
    found = (
        _deciding(contest, winner, platform)
        for platform in platforms
        if any(_is_limited(each, platform, quotas.of(platform)) for each in ranked)
    )
    return tuple(each for each in found if each is not None)


def _is_limited(each: Prediction, platform: str, quota: int) -> bool:
    if each.option.candidate.platform != platform or each.keeps_objective:
        return False
    return each.refused_share > 0 or each.most_instances >= quota


def _deciding(contest: Contest, winner: Prediction | None, platform: str) -> DecidingQuota | None:
    rate, quota = contest.demand.rate, contest.market.quotas.of(platform)
    candidates = [each for each in contest.candidates if each.platform == platform]
    most = SAGEMAKER_MAX_CONCURRENCY if platform == "sagemaker" else _NO_LIMIT

    def best_with(instances: int) -> Prediction:
        quotas = contest.market.quotas.with_most(platform, instances)
        return contest.under(replace(contest.market, quotas=quotas)).winner(rate, candidates)

    def wins(each: Prediction) -> bool:
        return each.keeps_objective and (winner is None or each.rank < winner.rank)

    if quota >= most or not wins(unlimited := best_with(most)):
        return None
    needed = max(quota, unlimited.most_instances)
    if platform == "lambda":
        needed = max(needed, math.ceil(rate / LAMBDA_REQUESTS_PER_S_PER_CONCURRENCY))
    for _ in range(_TRIES):
        needed = min(most, _two_digits_up(needed))
        best = best_with(needed)
        if needed > quota and wins(best):
            return DecidingQuota(platform, quota, needed, best)
        # A quota that is only just enough makes requests wait, and peaks are above the mean.
        needed = math.ceil(needed * _MORE)
    return None


def _two_digits_up(value: int) -> int:
    unit: int = 10 ** max(0, len(str(value)) - 2)
    return math.ceil(value / unit) * unit
