"""Advice in words: the answer in three lines, and what it rests on."""

import math
from collections.abc import Iterator, Sequence

from serverless_dnn.bench.simulation.changes import Changes
from serverless_dnn.bench.simulation.changes_text import changes_line, quota_sentence
from serverless_dnn.bench.simulation.demand import Demand
from serverless_dnn.bench.simulation.evaluation import Market, Prediction
from serverless_dnn.bench.simulation.options import Candidate
from serverless_dnn.bench.simulation.phrases import facts, money, ms, surplus


def lines_of(
    winner: Prediction | None,
    runner_up: Prediction | None,
    ranked: Sequence[Prediction],
    changes: Changes,
    demand: Demand,
    slo_p99_ms: float,
) -> tuple[str, str, str]:
    """The answer, in three lines.

    Args:
        winner: The cheapest option that keeps the objective; ``None`` if none does.
        runner_up: The best option with another measured configuration; ``None`` if there is none.
        ranked: All options, the best first.
        changes: What would change the choice.
        demand: The load.
        slo_p99_ms: The objective.

    Returns:
        What to take, the runner-up, and what would change the choice.
    """
    if winner is None:
        fastest = min(ranked, key=lambda each: (-each.within_share, each.p99_ms))
        return (
            f"Nothing that was measured keeps a p99 of {ms(slo_p99_ms)} for {demand.text}.",
            f"{fastest.option.text} comes nearest: {facts(fastest)}, {money(fastest)}.",
            _what_it_takes(fastest, changes),
        )
    pause = "," if winner.billing == "instance-based" else ""
    first = f"Take {winner.option.text}: {money(winner)}{pause} for {demand.text}; {facts(winner)}."
    return first, _runner_up_line(winner, runner_up), changes_line(winner, changes)


def assumptions_of(predictions: Sequence[Prediction], demand: Demand, market: Market) -> Iterator[str]:
    """What the advice rests on.

    Args:
        predictions: Everything that was simulated.
        demand: The load.
        market: The objective, prices and quotas.

    Yields:
        Sentences.
    """
    candidates = list(dict.fromkeys(each.option.candidate.label for each in predictions))
    by_label = {each.option.candidate.label: each.option.candidate for each in predictions}
    yield (
        f"Simulated from measurements, not measured: {demand.text} for a month of 730 hours, "
        f"about {max(each.simulated for each in predictions):,} requests for each option."
    )
    for label in candidates:
        yield from _behaviour_notes(by_label[label])
    notes = [note for each in predictions for note in each.option.scaling(market.quotas).notes]
    yield from dict.fromkeys(notes)
    yield _starts_note(market)
    if any(not each.behaviour.is_under_load for each in by_label.values()):
        yield (
            "A request after a pause takes as long as one right after another: assumed; cooled caches make it longer. "
            "A run with --rate measures it."
        )
    yield "A refused request counts as one that misses the objective, is not billed, and is not sent again."
    yield "What is between client and instance takes as long as it was measured to, whatever the rate."
    free = "taken off" if market.free_tier else "not taken off"
    yield f"Free tiers are {free}; data transfer out of the cloud is not counted."
    if any(each.option.candidate.platform == "sagemaker" for each in predictions):
        yield "SageMaker does not bill starts: assumed, AWS does not say."
    yield from dict.fromkeys(note for each in predictions for note in _price_notes(each))
    rare = [
        each for each in predictions if each.cold_share >= 0.01 and each.option.candidate.behaviour.start_s.size < 100
    ]
    if rare:
        yield "Where 1 % of the requests meet a cold start, p99 is one of the few cold starts that were measured."


def _behaviour_notes(candidate: Candidate) -> Iterator[str]:
    behaviour = candidate.behaviour
    came = "of an open loop" if behaviour.is_under_load else "one after another"
    yield (
        f"{candidate.label}: times are drawn from {behaviour.service_s.size} warm requests {came} "
        f"and {behaviour.start_s.size} cold starts."
    )
    if candidate.max_requests_per_instance == 1:
        return
    if behaviour.workers is not None:
        yield f"{candidate.label}: an instance computes {behaviour.workers} request at a time; others wait inside it."
    elif behaviour.slowdowns:
        for computed, factor in behaviour.slowdowns:
            yield f"{candidate.label}: {computed} requests at a time take {factor:.3g} times as long, by its bursts."
    else:
        yield (
            f"{candidate.label}: requests on one instance share its {behaviour.cpus:g} vCPU fairly, "
            f"each using {behaviour.cpus_per_request:.2g} when alone: assumed, no burst measured it."
        )


def _starts_note(market: Market) -> str:
    if market.start_extra_ms:
        return (
            f"A cold start takes {ms(market.start_extra_ms)} longer than was measured, as was asked for; Cloud Run "
            "bills that, too, and AWS does not: assumed."
        )
    return (
        "A cold start takes as long as it was measured to. One on this machine finds its image there; a cloud may have "
        "to pull it first, which is not counted: --start-extra-ms adds it."
    )


def _price_notes(each: Prediction) -> Iterator[str]:
    """What is left out because a price is unknown."""
    candidate, kept = each.option.candidate, " with instances that always run" if each.option.kept_instances else ""
    if each.usd_per_month is None and kept:
        yield f"{candidate.label}{kept} is left out: the price of {' and '.join(each.unpriced)} is unknown."
    for way, items in each.ways_left_out.items():
        yield (
            f"{candidate.title}{kept} is taken with {each.billing} billing: {way} billing, which may be cheaper, needs "
            f"the price of {' and '.join(items)}, which is unknown."
        )


def _what_it_takes(fastest: Prediction, changes: Changes) -> str:
    """What to do where nothing keeps the objective."""
    if changes.quotas:
        return " ".join(quota_sentence(each) for each in changes.quotas)
    if math.isfinite(fastest.p99_ms):
        return f"It takes an objective of {ms(fastest.p99_ms)} or more, a faster engine, or more memory."
    return "It takes a higher quota, a lower rate, or a faster engine, for too many requests are refused."


def _runner_up_line(winner: Prediction, runner_up: Prediction | None) -> str:
    if runner_up is None:
        return "There is no runner-up: nothing else was measured."
    if not runner_up.keeps_objective:
        return (
            f"Nothing else keeps the objective; {runner_up.option.text} comes next: "
            f"{facts(runner_up)}, {money(runner_up)}."
        )
    more = (runner_up.usd_per_month or 0) / (winner.usd_per_month or math.nan) - 1
    dearer = f" ({surplus(more)})" if math.isfinite(more) else ""
    return f"Runner-up: {runner_up.option.text}: {money(runner_up)}{dearer}; {facts(runner_up)}."
