"""Which platform, memory, concurrency, instances and engine to take: the cheapest that keep an objective."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.simulation.advice_text import assumptions_of, lines_of
from serverless_dnn.bench.simulation.changes import Changes, find_changes
from serverless_dnn.bench.simulation.contest import Contest
from serverless_dnn.bench.simulation.demand import Demand
from serverless_dnn.bench.simulation.evaluation import Market, Prediction, evaluate_all
from serverless_dnn.bench.simulation.options import Candidate

REQUESTS = 20_000
"""So many requests have 200 beyond the 99th percentile."""


@dataclass(frozen=True)
class Advice:
    """What to take, and why.

    Attributes:
        winner: The cheapest option that keeps the objective; ``None`` if none does.
        runner_up: The best option with another measured configuration; ``None`` if there is none.
        ranked: All options whose price is known, the best first.
        changes: What would change the choice.
        lines: The answer, in three lines.
        assumptions: What it rests on, each as a sentence.
        left_out: Why what was left out was, by label.
    """

    winner: Prediction | None
    runner_up: Prediction | None
    ranked: tuple[Prediction, ...]
    changes: Changes
    lines: tuple[str, str, str]
    assumptions: tuple[str, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)


def advise(
    candidates: Sequence[Candidate],
    demand: Demand,
    market: Market,
    *,
    left_out: Mapping[str, str] | None = None,
    requests: int = REQUESTS,
) -> Advice:
    """Choose the cheapest option that keeps an objective.

    Args:
        candidates: The measured configurations.
        demand: The load.
        market: The objective, prices and quotas.
        left_out: Why configurations of the run are no candidates, by label.
        requests: How many requests are simulated for each option.

    Returns:
        The advice.

    Raises:
        OptionError: No option's price is known.
    """
    candidates = [each.starting_later(market.start_extra_ms / 1e3) for each in candidates]
    predictions = [
        prediction for candidate in candidates for prediction in evaluate_all(candidate, demand, market, requests)
    ]
    ranked = tuple(sorted((each for each in predictions if each.usd_per_month is not None), key=lambda each: each.rank))
    if not ranked:
        absent = {f"{each.option.candidate.title}: {item}" for each in predictions for item in each.unpriced}
        raise OptionError(f"no option has a known price; the price table lacks {', '.join(sorted(absent))}")
    best = ranked[0]
    others = [each for each in ranked if each.option.candidate is not best.option.candidate]
    runner_up = others[0] if others else None
    winner = best if best.keeps_objective else None
    changes = find_changes(winner, ranked, Contest(candidates, demand, market, requests))
    absent_labels = dict(left_out or {})
    for each in predictions:
        if each.usd_per_month is None and not each.option.kept_instances:
            absent_labels[each.option.candidate.label] = f"the price of {' and '.join(each.unpriced)} is unknown"
    return Advice(
        winner=winner,
        runner_up=runner_up,
        ranked=ranked,
        changes=changes,
        lines=lines_of(winner, runner_up, ranked, changes, demand, market.slo_p99_ms),
        assumptions=tuple(assumptions_of(predictions, demand, market)),
        left_out=absent_labels,
    )
