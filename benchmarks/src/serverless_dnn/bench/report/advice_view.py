"""What every form of advice shows: the question, and the options that differ; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from serverless_dnn.bench.simulation.advice import Advice
from serverless_dnn.bench.simulation.evaluation import Prediction
from serverless_dnn.bench.simulation.options import Quotas

MOST_SHOWN = 8


@dataclass(frozen=True)
class Question:
    """What was asked.

    Attributes:
        runs: The runs' names.
        model: The model.
        load: The load, as in a sentence.
        rate: Requests a second, on average.
        slo_p99_ms: The objective.
        free_tier: Whether free tiers are taken off.
        seed: Of everything random.
        quotas: How far each platform may scale.
        start_extra_ms: How much longer every cold start takes than was measured.
        prices: Where and when the prices were found.
        cpu: What the runs were measured on.
        doubts: What the runs found doubtful of themselves.
    """

    runs: tuple[str, ...]
    model: str
    load: str
    rate: float
    slo_p99_ms: float
    free_tier: bool
    seed: int
    quotas: Quotas
    start_extra_ms: float
    prices: tuple[str, ...]
    cpu: str
    doubts: tuple[str, ...] = ()


def distinct(predictions: Sequence[Prediction]) -> list[Prediction]:
    """Leave out what comes to the same as an option of the same configuration that was named before.

    Args:
        predictions: The options, the best first.

    Returns:
        The others, in the same order.
    """
    found: dict[tuple[object, ...], Prediction] = {}
    for each in predictions:
        option = each.option
        same = (option.candidate.label, option.kept_instances, each.usd_per_month, each.p50_ms, each.p99_ms)
        found.setdefault(same, each)
    return list(found.values())


def shown_options(advice: Advice, most: int = MOST_SHOWN) -> tuple[list[Prediction], int]:
    """The options that a table shows.

    Args:
        advice: The advice.
        most: How many, beside the best of each configuration, which is always shown.

    Returns:
        The options, the best first, and how many more there are. Where none keeps the objective, the nearest is first.
    """
    every = distinct(advice.ranked)
    if advice.winner is None:
        every.sort(key=lambda each: (-each.within_share, each.p99_ms))
    best_of: Mapping[str, Prediction] = {each.option.candidate.label: each for each in reversed(every)}
    shown = [each for place, each in enumerate(every) if place < most or best_of[each.option.candidate.label] is each]
    return shown, len(every) - len(shown)


def mark(advice: Advice, prediction: Prediction) -> str:
    """What is to be said of an option in a word.

    Args:
        advice: The advice.
        prediction: The option.

    Returns:
        ``take``, ``next`` for the runner-up, ``misses`` if it does not keep the objective, otherwise nothing.
    """
    if prediction is advice.winner:
        return "take"
    if not prediction.keeps_objective:
        return "misses"
    return "next" if prediction is advice.runner_up else ""


def percent(share: float) -> str:
    """A share in percent without its sign, not rounded to all or nothing.

    Args:
        share: From 0 to 1.
    """
    value = share * 100
    if value in (0, 100):
        return f"{value:.0f}"
    if value < 0.01:
        return "<0.01"
    return f"{min(value, 99.99):.2f}" if value > 99 or value < 1 else f"{value:.1f}"


def name_of(prediction: Prediction) -> str:
    """The run's name of an option's configuration, and what is set on it.

    Args:
        prediction: The option.
    """
    return ", ".join(each for each in (prediction.option.candidate.label, prediction.option.setting) if each)
