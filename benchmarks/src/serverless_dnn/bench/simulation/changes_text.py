"""What would change a choice, in words."""

import itertools
from collections.abc import Iterator, Sequence

from serverless_dnn.bench.simulation.break_even import Band
from serverless_dnn.bench.simulation.changes import Changes
from serverless_dnn.bench.simulation.deciding_quotas import DecidingQuota
from serverless_dnn.bench.simulation.evaluation import Prediction
from serverless_dnn.bench.simulation.options import Candidate
from serverless_dnn.bench.simulation.phrases import money, ms, name_beside, number

_QUOTAS = {
    "lambda": ("concurrent executions", "--lambda-concurrency"),
    "sagemaker": ("concurrent requests", "--sagemaker-concurrency"),
    "cloudrun": ("instances", "--max-instances"),
}
"""What each platform's quota counts, and how it is given."""


def changes_line(winner: Prediction, changes: Changes) -> str:
    """What would change a choice.

    Args:
        winner: What was chosen.
        changes: What was found.

    Returns:
        A sentence; two if a quota decided.
    """
    ours = winner.option.candidate
    reasons = list(_rate_reasons(changes.rates, ours))
    if changes.tighter:
        other = changes.tighter.prediction
        reasons.append(f"under an objective below {ms(changes.tighter.p99_ms)} ({other.option.text}, {money(other)})")
    if changes.looser:
        other = changes.looser.prediction
        reasons.append(f"from an objective of {ms(changes.looser.p99_ms)} on ({other.option.text}, {money(other)})")
    if changes.price_rise:
        dearer, other = 1 + changes.price_rise.share, changes.price_rise.prediction
        reasons.append(f"if {ours.title}'s prices rose to {dearer:.3g} times theirs ({other.option.text})")
    if changes.idle:
        minutes, other = changes.idle.idle_s / 60, changes.idle.prediction
        name = name_beside(other.option.candidate, ours)
        reasons.append(f"if idle instances were kept for {minutes:g} minutes everywhere, which is assumed ({name})")
    sentences = [f"It would change {'; '.join(reasons)}."] if reasons else []
    sentences += [quota_sentence(each) for each in changes.quotas]
    if not sentences:
        return "Nothing that was looked at would change it: another rate, objective, price or quota."
    return " ".join(sentences)


def quota_sentence(each: DecidingQuota) -> str:
    """A quota that decided, and how to ask with a higher one.

    Args:
        each: The quota.
    """
    counted, option = _QUOTAS[each.platform]
    other = each.prediction
    return (
        f"{other.option.candidate.title}'s {each.quota:,} {counted} are too few: with {option} {each.needed} "
        f"take {other.option.text}, {money(other)}."
    )


def _rate_reasons(bands: Sequence[Band], ours: Candidate) -> Iterator[str]:
    def why(each: Band) -> tuple[bool, str]:
        other = each.prediction.option.candidate
        name = name_beside(other, ours)
        reasons = {
            "cheaper": f"{name} is cheaper",
            "faster": f"{name} is faster and costs no more",
            "objective": f"{name} keeps the objective and {name_beside(ours, other)} does not",
        }
        return each.is_above, reasons[each.reason]

    for (_, reason), group in itertools.groupby(bands, key=why):
        yield f"{_listed([_span(each) for each in group])} requests/s, where {reason}"


def _span(each: Band) -> str:
    if each.to_rate is None and each.from_rate is not None:
        return f"above {number(each.from_rate)}"
    if each.from_rate is None and each.to_rate is not None:
        return f"below {number(each.to_rate)}"
    if each.from_rate is None or each.to_rate is None:
        return "at any"
    if each.from_rate == each.to_rate:
        return f"at {number(each.from_rate)}"
    return f"from {number(each.from_rate)} to {number(each.to_rate)}"


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
