"""What changed between two runs beyond noise."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import get_args

from serverless_dnn.bench.analysis.carried_load import carried_load
from serverless_dnn.bench.analysis.cost import round_costs
from serverless_dnn.bench.analysis.estimates import Rounds, estimate, unpaired_ratio
from serverless_dnn.bench.analysis.fail_rules import Metric, Rule, parse_rule
from serverless_dnn.bench.analysis.joining import Rows
from serverless_dnn.bench.analysis.prices import PriceTable
from serverless_dnn.bench.analysis.results import Estimate
from serverless_dnn.bench.analysis.statistics import geometric_mean
from serverless_dnn.bench.configuration import MeasuredConfiguration
from serverless_dnn.bench.load.samples import OK, Experiment
from serverless_dnn.bench.recorded_run import Run, RunData, prices_of

__all__ = ["Change", "Comparison", "Difference", "Rule", "broken_rules", "compare", "parse_rule"]

_WARM: tuple[Experiment, ...] = ("closed", "burst", "open")
_PERCENTS: Mapping[Metric, float] = {"p50": 50, "p90": 90, "p95": 95, "p99": 99}
# What differs between any two runs and says nothing.
_OPTIONS_THAT_DO_NOT_MATTER = ("runs_dir", "models_dir", "output_format", "slo_p99_ms", "prices")


@dataclass(frozen=True)
class Change:
    """One number in both runs.

    Attributes:
        label: The configuration.
        experiment: The experiment; ``None`` for cost.
        metric: ``p50``, ``p90``, ``p95`` or ``p99`` in milliseconds, ``cold`` likewise (the median), ``cost`` in US
            dollars per million warm requests, or ``failures``, their number.
        before: In the run before.
        after: In the run after.
        ratio: After divided by before, by the runs' rounds; its interval is ``None`` with too few rounds. ``None`` for
            failures, or where a round is too small to have such a percentile.
        changed: Whether the ratio's interval leaves out 1, which noise alone does in one of twenty; for failures,
            whether their number differs. ``None`` if that cannot be told.
    """

    label: str
    experiment: Experiment | None
    metric: Metric
    before: float
    after: float
    ratio: Estimate | None
    changed: bool | None


@dataclass(frozen=True)
class Difference:
    """A setting that is not the same in both runs.

    Attributes:
        name: The setting.
        before: Its value in the run before; ``None`` if it had none.
        after: Its value in the run after.
    """

    name: str
    before: object
    after: object


@dataclass(frozen=True)
class Comparison:
    """What changed between two runs.

    Attributes:
        changes: Every number that both runs have, changed or not.
        differences: The settings that differ: options, model, machine, packages and configurations.
        only_before: Labels that the run after does not have.
        only_after: Labels that the run before did not have.
        carried: How much load each run says that its configurations carry, where both looked for that.
    """

    changes: tuple[Change, ...]
    differences: tuple[Difference, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    carried: tuple[str, str] | None = None


def compare(before: RunData, after: RunData, *, prices: PriceTable | None = None) -> Comparison:
    """Compare two runs, configuration by configuration.

    The interval of each ratio is Welch's, over the logarithms of both runs' rounds. It covers what differs between
    rounds; that the machine was another one, or in another state for a whole run, it cannot know. A run that looked
    for a capacity has only what it found, for its rounds are different loads.

    Args:
        before: A run.
        after: The run that is held against it.
        prices: The prices of both; ``None`` takes those that the run after was made with, so that a new price is no
            change of what was measured.

    Returns:
        The comparison.
    """
    table = prices_of(after.run) if prices is None else prices
    old = {each.label: each for each in before.run.configurations}
    new = {each.label: each for each in after.run.configurations}
    common = [label for label in old if label in new]
    rows = Rows(before), Rows(after)
    capacities = [data.run for data in (before, after) if data.run.kind == "capacity"]
    compared = () if capacities else common
    changes = [change for label in compared for change in _changes(rows, old[label], new[label], table)]
    differences = [*_run_differences(before.run, after.run)]
    for label in common:
        differences += _differences(f"{label}: ", _facts(old[label]), _facts(new[label]))
    return Comparison(
        changes=tuple(changes),
        differences=tuple(differences),
        only_before=tuple(label for label in old if label not in new),
        only_after=tuple(label for label in new if label not in old),
        carried=(_carried(before.run), _carried(after.run)) if len(capacities) == 2 else None,
    )


def broken_rules(comparison: Comparison, rules: Sequence[Rule]) -> list[str]:
    """Which rules a comparison breaks.

    Args:
        comparison: The comparison.
        rules: The rules.

    Returns:
        A message for each number that is worse than a rule allows, and not by noise alone, and for each rule that
        cannot be checked: a gate that checks nothing must not pass.
    """
    messages = []
    for rule in rules:
        checked = [change for change in comparison.changes if change.metric == rule.metric]
        told = [change for change in checked if change.changed is not None]
        messages += [_broken(rule, change) for change in told if change.changed and _excess(change) > rule.limit]
        if rule.metric == "failures":
            # Failures that were there before are no change, and no less forbidden.
            messages += [_broken(rule, each) for each in told if not each.changed and each.after > rule.limit]
        untold = [_place(change) for change in checked if change.changed is None]
        if not checked:
            messages.append(f"{rule.text} cannot be checked: the runs have no {rule.metric} in common")
        elif untold:
            messages.append(f"{rule.text} cannot be checked for {', '.join(untold)}: measure more or larger rounds")
    return messages


def _excess(change: Change) -> float:
    if change.metric == "failures":
        return change.after
    assert change.ratio is not None
    return (change.ratio.value - 1) * 100


def _broken(rule: Rule, change: Change) -> str:
    if change.metric == "failures":
        return f"{rule.text} is broken by {_place(change)}: {change.after:.0f} failed"
    unit = "$ per million" if change.metric == "cost" else "ms"
    return (
        f"{rule.text} is broken by {_place(change)}: {change.before:.4g} to {change.after:.4g} {unit}, "
        f"{_excess(change):+.1f} %"
    )


def _place(change: Change) -> str:
    return change.label if change.experiment in (None, "cold") else f"{change.label} ({change.experiment})"


def _changes(
    rows: tuple[Rows, Rows], old: MeasuredConfiguration, new: MeasuredConfiguration, prices: PriceTable
) -> Iterator[Change]:
    label, (before, after) = old.label, rows
    for experiment in _WARM:
        latencies = before.latencies_ms(label, experiment), after.latencies_ms(label, experiment)
        for metric, percent in _PERCENTS.items():
            if (change := _change(label, experiment, metric, percent, latencies)) is not None:
                yield change
    cold = before.latencies_ms(label, "cold"), after.latencies_ms(label, "cold")
    if (change := _change(label, "cold", "cold", 50, cold)) is not None:
        yield change
    costs = round_costs(before, old.configuration, prices), round_costs(after, new.configuration, prices)
    if all(costs):
        ratio = unpaired_ratio(*costs)
        usd = [geometric_mean([each for [each] in rounds.values()]) for rounds in costs]
        yield Change(label, None, "cost", usd[0], usd[1], ratio, _is_beyond_noise(ratio))
    failures = _failures(before, label), _failures(after, label)
    yield Change(label, None, "failures", failures[0], failures[1], None, failures[0] != failures[1])


def _carried(run: Run) -> str:
    return carried_load(run.probes, run.options.get("slo_p99_ms"))


def _failures(rows: Rows, label: str) -> int:
    return sum(sample.status != OK for experiment in get_args(Experiment) for sample in rows.samples(label, experiment))


def _change(
    label: str, experiment: Experiment, metric: Metric, percent: float, rounds: tuple[Rounds, Rounds]
) -> Change | None:
    old, new = (estimate(each, percent) for each in rounds)
    if old is None or new is None:
        return None
    ratio = unpaired_ratio(*rounds, percent)
    return Change(label, experiment, metric, old.value, new.value, ratio, _is_beyond_noise(ratio))


def _is_beyond_noise(ratio: Estimate | None) -> bool | None:
    if ratio is None or ratio.interval is None:
        return None
    return not ratio.interval.low <= 1 <= ratio.interval.high


def _run_differences(before: Run, after: Run) -> Iterator[Difference]:
    for name in ("kind", "model", "model_source", "input", "seed"):
        yield from _differences("", {name: getattr(before, name)}, {name: getattr(after, name)})
    options = [
        {name: value for name, value in run.options.items() if name not in _OPTIONS_THAT_DO_NOT_MATTER}
        for run in (before, after)
    ]
    yield from _differences("option ", *options)
    yield from _differences("machine: ", before.machine, after.machine)
    yield from _differences("package ", before.packages, after.packages)
    yield from _differences("", {"git revision": before.git_revision}, {"git revision": after.git_revision})


def _facts(measured: MeasuredConfiguration) -> dict[str, object]:
    return {
        **{name: value for name, value in asdict(measured.configuration).items() if name != "label"},
        "model server": measured.model_server,
        "protocol": measured.protocol,
        "engine that ran": measured.engine,
        **{f"limit {name}": value for name, value in measured.limits.items()},
    }


def _differences(prefix: str, before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[Difference]:
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        if old != new:
            yield Difference(f"{prefix}{name}", old, new)
