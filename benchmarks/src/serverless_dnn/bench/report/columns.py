"""Columns of the headline table: what each shows, and which matter most where there is little room."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from serverless_dnn.bench.analysis.results import ConfigurationSummary, CostSummary, RunSummary
from serverless_dnn.bench.load.samples import Experiment
from serverless_dnn.bench.report.view import carried_percents, failures_of, measured_experiments, percentile_of
from serverless_dnn.bench.report.wording import (
    ABSENT,
    dollars,
    estimate,
    experiment_titles,
    interval,
    listed,
    number,
    percentile_name,
    size,
)


@dataclass(frozen=True)
class Column:
    """A column of the headline table.

    Attributes:
        experiment: Where it was measured; ``None`` for what concerns the configuration as a whole.
        title: Its header, without the unit.
        unit: The unit; empty if there is none.
        cell: Its text for a configuration.
        importance: 1 is shown everywhere; the higher, the more room is needed.
    """

    experiment: Experiment | None
    title: str
    unit: str
    cell: Callable[[ConfigurationSummary], str]
    importance: int


def headline_columns(summary: RunSummary, *, with_cold: bool = False) -> list[Column]:
    """The columns that have something to show, in the order in which they are read.

    Args:
        summary: The run.
        with_cold: Whether the median cold start is among them, for where it has no table of its own.

    Returns:
        The columns, without the configuration's label. What no configuration has is left out.
    """
    experiments = measured_experiments(summary)
    columns = [
        column
        for rank, experiment in enumerate(experiments)
        for column in _experiment_columns(summary, experiment, is_main=rank == 0)
    ]
    if with_cold:
        cold = Column(None, "cold start p50", "ms", lambda each: estimate(each.cold.total_ms if each.cold else None), 4)
        columns.append(cold)
    columns += [
        Column(None, "floor", "ms", lambda each: number(each.floor_ms), 6),
        Column(
            None,
            "memory used",
            "MB",
            lambda each: ABSENT if each.max_memory_mb is None else f"{each.max_memory_mb:,}",
            7,
        ),
        Column(None, "CPU a request", "ms", lambda each: number(each.cpu_ms_per_request), 7),
        Column(None, "request", "", lambda each: size(each.measured.bytes_sent), 5),
        Column(None, "response", "", lambda each: size(each.measured.bytes_received), 6),
        Column(None, "$ per million", "", _cost(lambda cost: cost.per_million_usd), 1),
        Column(None, "$ per million, busy", "", _cost(lambda cost: cost.per_million_busy_usd), 6),
        Column(None, "failed", "", lambda each: f"{sum(failures_of(each).values()):,}", 1),
    ]
    # A median or p99 that nobody has is worth a dash: its absence is an answer.
    return [
        column
        for column in columns
        if column.importance == 1 or any(column.cell(each) != ABSENT for each in summary.configurations)
    ]


def _cost(value: Callable[[CostSummary], float | None]) -> Callable[[ConfigurationSummary], str]:
    return lambda each: ABSENT if each.cost is None else dollars(value(each.cost))


def _experiment_columns(summary: RunSummary, experiment: Experiment, *, is_main: bool) -> list[Column]:
    columns: list[Column] = []
    # The median and p99 are what is compared; the interval shows what a difference is worth.
    importance = {50.0: (1, 2), 95.0: (5, 6), 99.0: (1, 4)}
    always = {50.0, 99.0} if is_main else {50.0}
    for percent in sorted(always.union(carried_percents(summary, experiment))):
        rank = importance.get(percent, (6, 7))[0 if is_main else 1]
        columns.append(
            Column(
                experiment,
                percentile_name(percent),
                "ms",
                lambda each, percent=percent: estimate(percentile_of(each.warm.get(experiment), percent)),  # type: ignore[misc]
                rank,
            )
        )
        if percent == 50 and is_main:
            columns.append(Column(experiment, "95 % interval", "ms", lambda each: _interval(each, experiment, 50), 3))
        if percent == 99 and is_main:
            # What decides about an objective is of more interest where there is one.
            rank = 4 if summary.objective else 6
            columns.append(
                Column(experiment, "95 % interval of p99", "ms", lambda each: _interval(each, experiment, 99), rank)
            )
    if is_main:
        columns.append(Column(experiment, "compute p50", "ms", lambda each: _compute(each, experiment), 4))
        columns.append(
            Column(experiment, "against fastest", "times", lambda each: _ratio(summary, each, experiment), 5)
        )
        if summary.objective:
            columns.append(Column(experiment, f"p99 within {summary.slo_p99_ms:g} ms", "", _objective(summary), 2))
    columns.append(Column(experiment, "rate", "1/s", lambda each: _rate(each, experiment), 5 if not is_main else 7))
    return columns


def _interval(each: ConfigurationSummary, experiment: Experiment, percent: float) -> str:
    estimated = percentile_of(each.warm.get(experiment), percent)
    return interval(None if estimated is None else estimated.interval)


def _objective(summary: RunSummary) -> Callable[[ConfigurationSummary], str]:
    return lambda each: summary.objective.get(each.label, ABSENT)


def _compute(each: ConfigurationSummary, experiment: Experiment) -> str:
    warm = each.warm.get(experiment)
    return estimate(None if warm is None else warm.compute_ms)


def _rate(each: ConfigurationSummary, experiment: Experiment) -> str:
    warm = each.warm.get(experiment)
    return number(None if warm is None else warm.rate)


def _ratio(summary: RunSummary, each: ConfigurationSummary, experiment: Experiment) -> str:
    for ratio in summary.ratios:
        if (ratio.label, ratio.experiment, ratio.percent) == (each.label, experiment, 50):
            between = ratio.estimate.interval
            spread = "" if between is None else f" ({interval(between)})"
            return f"{number(ratio.estimate.value)}{spread}"
    is_fastest = any(ratio.baseline == each.label and ratio.experiment == experiment for ratio in summary.ratios)
    return "1" if is_fastest else ABSENT


def requests_note(summary: RunSummary, experiments: Sequence[Experiment]) -> str:
    """How many requests the numbers are made of.

    Args:
        summary: The run.
        experiments: The experiments.

    Returns:
        Such as ``n = 40 closed (one after another) and 40 burst (all at once)``; ``20 to 40`` where they differ.
    """
    parts, titles = [], experiment_titles(summary.in_flight)
    for experiment in experiments:
        numbers = sorted({warm.requests for each in summary.configurations if (warm := each.warm.get(experiment))})
        text = f"{numbers[0]:,}" if len(numbers) == 1 else f"{numbers[0]:,} to {numbers[-1]:,}"
        parts.append(f"{text} {experiment} ({titles[experiment]})")
    return "n = " + listed(parts)
