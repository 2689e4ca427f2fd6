"""Advice as JSON and as Markdown; pure."""

import json
import math
from dataclasses import asdict, fields
from typing import Any

from serverless_dnn.bench.report.advice_table import notes
from serverless_dnn.bench.report.advice_view import Question, mark, name_of, percent, shown_options
from serverless_dnn.bench.report.wording import dollars, number
from serverless_dnn.bench.simulation.advice import Advice
from serverless_dnn.bench.simulation.break_even import Band
from serverless_dnn.bench.simulation.changes import OtherIdle, OtherObjective, PriceRise
from serverless_dnn.bench.simulation.deciding_quotas import DecidingQuota
from serverless_dnn.bench.simulation.evaluation import Prediction


def to_json(advice: Advice, question: Question) -> str:
    """Write advice as JSON.

    Args:
        advice: The advice.
        question: What was asked.

    Returns:
        A document; what is absent or out of reach is ``null``.
    """
    changes = advice.changes
    document = {
        "question": asdict(question),
        "answer": list(advice.lines),
        "winner": None if advice.winner is None else _option(advice.winner),
        "runner_up": None if advice.runner_up is None else _option(advice.runner_up),
        "options": [_option(each) for each in advice.ranked],
        "changes": {
            "rates": [_changed(each) for each in changes.rates],
            "tighter": _changed(changes.tighter),
            "looser": _changed(changes.looser),
            "price_rise": _changed(changes.price_rise),
            "idle": _changed(changes.idle),
            "quotas": [_changed(each) for each in changes.quotas],
        },
        "assumptions": list(advice.assumptions),
        "left_out": dict(advice.left_out),
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def to_markdown(advice: Advice, question: Question) -> str:
    """Write advice as Markdown.

    Args:
        advice: The advice.
        question: What was asked.
    """
    shown, more = shown_options(advice)
    rows = [
        (
            mark(advice, each), name_of(each), dollars(each.usd_per_month), _time(each.p50_ms), _time(each.p99_ms),
            percent(each.within_share), percent(each.cold_share), percent(each.refused_share),
        )
        for each in shown
    ]  # fmt: skip
    header = ("", "option", "$ a month", "p50 ms", "p99 ms", "within %", "cold %", "refused %")
    lines = [header, ("---", "---", *["---:"] * (len(header) - 2)), *rows]
    blocks = [
        *advice.lines,
        "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines),
        "\n".join(notes(advice, question, more)),
        "\n".join(["Assumptions:", "", *(f"- {sentence}" for sentence in advice.assumptions)]),
    ]
    return "\n\n".join(blocks) + "\n"


def _time(value_ms: float) -> str:
    return "–" if math.isinf(value_ms) else number(value_ms)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _option(each: Prediction) -> dict[str, Any]:
    option, size = each.option, each.option.size
    return {
        "label": option.candidate.label,
        "text": option.text,
        "platform": size.platform,
        "engine": option.candidate.engine or None,
        "memory_mb": size.memory_mb,
        "cpus": size.cpus,
        "requests_per_instance": option.requests_per_instance,
        "kept_instances": size.kept_instances,
        "usd_per_month": each.usd_per_month,
        "billing": each.billing,
        "billing_left_out": {way: list(items) for way, items in each.ways_left_out.items()},
        "p50_ms": _finite(each.p50_ms),
        "p99_ms": _finite(each.p99_ms),
        "within_share": each.within_share,
        "cold_share": each.cold_share,
        "refused_share": each.refused_share,
        "most_instances": each.most_instances,
        "keeps_objective": each.keeps_objective,
        "simulated_requests": each.simulated,
    }


def _changed(change: Band | OtherObjective | PriceRise | OtherIdle | DecidingQuota | None) -> dict[str, Any] | None:
    """What a change is, and what is then chosen."""
    if change is None:
        return None
    values = {each.name: getattr(change, each.name) for each in fields(change) if each.name != "prediction"}
    return {**values, "option": _option(change.prediction)}
