"""How numbers and terms are written, in every table, picture and page."""

import re
from collections.abc import Mapping, Sequence

from serverless_dnn.bench.analysis.probes import Probe
from serverless_dnn.bench.analysis.results import CostSummary, Estimate
from serverless_dnn.bench.analysis.statistics import Interval
from serverless_dnn.bench.load.samples import Experiment
from serverless_dnn.bench.load.steps import closed_loop_title

ABSENT = "–"


def experiment_titles(in_flight: int = 1) -> dict[Experiment, str]:
    """What the experiments that are compared are called, the one that decides first.

    Args:
        in_flight: How many requests of the closed loop are under way at a time.
    """
    return {"closed": closed_loop_title(in_flight), "open": "at a given rate", "burst": "all at once"}


def number(value: float | None) -> str:
    """Write a number with three significant digits, and all the digits before the point.

    Args:
        value: The number, or ``None``.

    Returns:
        The text; a dash for ``None``.
    """
    if value is None:
        return ABSENT
    size = abs(value)
    digits = 0 if size >= 99.95 else 1 if size >= 9.995 else 2 if size >= 0.9995 or size == 0 else 3
    return f"{value:,.{digits}f}"


def estimate(value: Estimate | None) -> str:
    """Write an estimate's value.

    Args:
        value: The estimate, or ``None``.

    Returns:
        The text; a dash for ``None``.
    """
    return ABSENT if value is None else number(value.value)


def interval(value: Interval | None) -> str:
    """Write an interval.

    Args:
        value: The interval, or ``None``.

    Returns:
        Its ends; a dash for ``None``.
    """
    return ABSENT if value is None else f"{number(value.low)} to {number(value.high)}"


def dollars(value: float | None) -> str:
    """Write an amount of US dollars without its sign: cents from one dollar on, three significant digits below.

    Args:
        value: The amount, or ``None``.

    Returns:
        The text; a dash for ``None``.
    """
    if value is None:
        return ABSENT
    return f"{value:,.0f}" if value >= 1000 else f"{value:.2f}" if value >= 1 or value == 0 else f"{value:#.3g}"


def size(count: int | None) -> str:
    """Write a number of bytes in the decimal unit that fits.

    Args:
        count: The bytes, or ``None``.

    Returns:
        Such as ``602 kB``; a dash for ``None``.
    """
    if count is None:
        return ABSENT
    if count < 1000:
        return f"{count} B"
    return f"{number(count / 1e3)} kB" if count < 999_500 else f"{number(count / 1e6)} MB"


def percentile_name(percent: float) -> str:
    """The name of a percentile.

    Args:
        percent: Such as 99.

    Returns:
        Such as ``p99``.
    """
    return f"p{percent:g}"


def counts(values: Mapping[str, int]) -> str:
    """Write how often each thing happened.

    Args:
        values: By name.

    Returns:
        Such as ``2 UNAVAILABLE, 1 DEADLINE_EXCEEDED``; ``0`` if nothing happened.
    """
    return ", ".join(f"{count} {name}" for name, count in values.items()) or "0"


def kept_word(probe: Probe) -> str:
    """Whether an amount of load kept the objective.

    Args:
        probe: What it led to.
    """
    return "undecided" if probe.keeps_objective is None else "yes" if probe.keeps_objective else "no"


def sentences(text: str) -> tuple[str, ...]:
    """Split a text into its sentences.

    Args:
        text: The text.

    Returns:
        The sentences, with their full stops.
    """
    # A label that begins a sentence keeps its lower case.
    return tuple(part for part in re.split(r"(?<=[.!?])\s+", text.strip()) if part)


def listed(words: Sequence[str]) -> str:
    """Write a list of words as English does.

    Args:
        words: The words.

    Returns:
        Such as ``a, b and c``.
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def unbroken(text: str) -> str:
    """Keep a number and its unit on one line.

    Args:
        text: The text.

    Returns:
        It, with no-break spaces.
    """
    return re.sub(r"(?<=\d) (?=(?:ms|s|MB|GB|kB|vCPU|%)\b|%)", "\u00a0", text)


def priced(cost: CostSummary) -> str:
    """Where and when prices were found.

    Args:
        cost: What they were used for.

    Returns:
        Such as ``us-east-1 of 2026-08-21``.
    """
    return f"{cost.region} of {cost.priced_on}" if cost.priced_on else f"{cost.region}, undated"
