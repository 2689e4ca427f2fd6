"""Rules such as ``p50>5%``, which say how much worse a run may be than the one before."""

import re
from dataclasses import dataclass
from typing import Literal, cast

from serverless_dnn.bench.errors import OptionError

Metric = Literal["p50", "p90", "p95", "p99", "cold", "cost", "failures"]
METRICS: tuple[Metric, ...] = ("p50", "p90", "p95", "p99", "cold", "cost", "failures")
_RULE = re.compile(r"\s*([a-z0-9]+)\s*>\s*([0-9]+(?:\.[0-9]+)?)\s*(%?)\s*")


@dataclass(frozen=True)
class Rule:
    """By how much a metric may be worse.

    Attributes:
        text: As it was written.
        metric: The metric.
        limit: Above this it is broken: percent of increase, or for ``failures`` their number.
    """

    text: str
    metric: Metric
    limit: float


def parse_rule(text: str) -> Rule:
    """Read a rule.

    Args:
        text: Such as ``p50>5%``, ``cold>10%``, ``cost>1%`` or ``failures>0``.

    Returns:
        The rule.

    Raises:
        OptionError: It is none.
    """
    match = _RULE.fullmatch(text)
    if match is None:
        raise OptionError(f"{text!r} is no rule: expected one such as p50>5%, cold>10%, cost>1% or failures>0")
    metric, limit, percent = match.groups()
    if metric not in METRICS:
        raise OptionError(f"{text!r} names no known metric: choose {', '.join(METRICS)}")
    if (metric == "failures") == bool(percent):
        wanted = "a number of failures, such as failures>0" if percent else f"a percentage, such as {metric}>{limit}%"
        raise OptionError(f"{text!r}: expected {wanted}")
    return Rule(text.strip(), cast("Metric", metric), float(limit))
