"""Which configuration to take, by what matters: its speed, its cost, or both, within an objective."""

from collections.abc import Mapping, Sequence

from serverless_dnn.bench.analysis.objectives import Kept, is_kept
from serverless_dnn.bench.analysis.results import ConfigurationSummary, Estimate
from serverless_dnn.bench.load.samples import Experiment

BALANCED_WEIGHT = 0.5
"""How much cost weighs against time in the balanced strategy, as AWS Lambda Power Tuning has it:
https://github.com/alexcasalboni/aws-lambda-power-tuning/blob/master/README-INPUT-OUTPUT.md"""
_BY_IMPORTANCE: tuple[Experiment, ...] = ("closed", "open", "burst")


def main_experiment(configurations: Sequence[ConfigurationSummary]) -> Experiment | None:
    """The experiment by which configurations are compared.

    Args:
        configurations: Some configurations.

    Returns:
        The first of ``closed``, ``open`` and ``burst`` that has answers of any; ``None`` if none has.
    """
    return next((each for each in _BY_IMPORTANCE if any(_percentile(one, each, 50) for one in configurations)), None)


def median_of(configuration: ConfigurationSummary, experiment: Experiment | None) -> Estimate | None:
    """A configuration's median latency; ``None`` if it has none.

    Args:
        configuration: The configuration.
        experiment: The experiment.
    """
    return _percentile(configuration, experiment, 50)


def per_million_usd(configuration: ConfigurationSummary) -> float | None:
    """What a million requests cost; ``None`` if unknown.

    Args:
        configuration: The configuration.
    """
    return None if configuration.cost is None else configuration.cost.per_million_usd


def choose(configurations: Sequence[ConfigurationSummary], weight: float = BALANCED_WEIGHT) -> dict[str, str]:
    """What each strategy takes.

    Args:
        configurations: Those to choose from.
        weight: How much cost weighs in ``balanced``: 0 is ``speed``, 1 is ``cost``.

    Returns:
        A label for each of ``speed``, ``cost`` and ``balanced``. One is absent if nothing carries it; those with cost
        are, if the cost of any is unknown: that one might be the cheapest.
    """
    experiment = main_experiment(configurations)
    times = {each.label: median.value for each in configurations if (median := median_of(each, experiment))}
    costs = {each.label: usd for each in configurations if (usd := per_million_usd(each)) is not None}
    chosen = {}
    if times:
        chosen["speed"] = min(times, key=lambda label: (times[label], costs.get(label, 0.0)))
    if times and set(times) <= set(costs):
        chosen["cost"] = min(times, key=lambda label: (costs[label], times[label]))
        most_usd = max(costs[label] for label in times) or 1.0
        most_ms = max(times.values()) or 1.0
        chosen["balanced"] = min(
            times, key=lambda label: weight * costs[label] / most_usd + (1 - weight) * times[label] / most_ms
        )
    return chosen


def judge_objective(configurations: Sequence[ConfigurationSummary], slo_p99_ms: float) -> dict[str, Kept]:
    """Whether each configuration keeps an objective for p99.

    Args:
        configurations: Some configurations.
        slo_p99_ms: The objective.

    Returns:
        By label, ``kept`` if no request failed and the whole interval of the p99 is within the objective; ``missed`` if
        one failed, or the whole interval is beyond; otherwise ``undecided``.
    """
    experiment = main_experiment(configurations)
    return {each.label: _judge_objective(each, experiment, slo_p99_ms) for each in configurations}


def _judge_objective(configuration: ConfigurationSummary, experiment: Experiment | None, slo_p99_ms: float) -> Kept:
    warm = None if experiment is None else configuration.warm.get(experiment)
    if warm is not None and warm.failures:
        return "missed"
    p99 = _percentile(configuration, experiment, 99)
    return is_kept(None if p99 is None else p99.interval, slo_p99_ms)


def within_slo(configurations: Sequence[ConfigurationSummary], slo_p99_ms: float) -> tuple[str, ...]:
    """Which configurations are shown to keep an objective for p99.

    Args:
        configurations: Some configurations.
        slo_p99_ms: The objective.

    Returns:
        Their labels, cheapest first, those of unknown cost last.
    """
    states = judge_objective(configurations, slo_p99_ms)
    keeping = [each for each in configurations if states[each.label] == "kept"]
    costs = {each.label: per_million_usd(each) for each in keeping}
    return tuple(sorted(costs, key=lambda label: (costs[label] is None, costs[label] or 0.0)))


def pareto_front(points: Mapping[str, tuple[float, float]]) -> tuple[str, ...]:
    """Those that no other beats in cost and in time.

    Args:
        points: Cost and time by label.

    Returns:
        The labels of those for which no other is at least as good in both and better in one, cheapest first.
    """
    front: list[str] = []
    fastest = float("inf")
    for label in sorted(points, key=lambda label: points[label]):
        cost, time = points[label]
        if time < fastest or (front and points[front[-1]] == (cost, time)):
            front.append(label)
            fastest = time
    return tuple(front)


def _percentile(configuration: ConfigurationSummary, experiment: Experiment | None, percent: float) -> Estimate | None:
    warm = None if experiment is None else configuration.warm.get(experiment)
    return None if warm is None else warm.percentiles_ms.get(percent)
