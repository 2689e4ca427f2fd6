"""The answer to what a run was made for, in a sentence or two of plain English, and no claim beyond the numbers."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from serverless_dnn.bench.analysis.choices import (
    judge_objective,
    main_experiment,
    median_of,
    per_million_usd,
    within_slo,
)
from serverless_dnn.bench.analysis.results import ConfigurationSummary, Estimate, Ratio
from serverless_dnn.bench.analysis.statistics import Interval
from serverless_dnn.bench.load.samples import TOO_LARGE, Experiment

_MOST_NAMED = 3


def answer(
    model: str,
    compared: Sequence[ConfigurationSummary],
    ratios: Sequence[Ratio],
    slo_p99_ms: float | None = None,
    cost_ratios: Mapping[str, Estimate] = MappingProxyType({}),
) -> str:
    """Say which configuration is fastest, which cheapest, and by how much.

    Args:
        model: The model's name.
        compared: The configurations that are compared.
        ratios: Of each to the fastest.
        slo_p99_ms: The objective, if there is one.
        cost_ratios: How many times as much each costs as the cheapest, in the same rounds.

    Returns:
        The answer. What cannot be told apart is said to be so, and where a price is unknown nothing is called cheapest.
    """
    experiment = main_experiment(compared)
    if experiment is None:
        return f"No request to {model} was answered, so there is nothing to compare."
    names = _names(compared)
    sentences = [_speed(model, compared, ratios, names, experiment), _cost(compared, names, cost_ratios)]
    sentences.append(_refused(compared, names))
    if slo_p99_ms is not None:
        sentences.append(_objective(compared, names, slo_p99_ms, experiment))
    return " ".join(sentence for sentence in sentences if sentence)


def _names(compared: Sequence[ConfigurationSummary]) -> dict[str, str]:
    """Titles, or labels where several have the same title."""
    titles = {each.label: each.measured.title.partition(",")[0] or each.label for each in compared}
    shared = list(titles.values())
    return {label: title if shared.count(title) == 1 else label for label, title in titles.items()}


def _speed(
    model: str,
    compared: Sequence[ConfigurationSummary],
    ratios: Sequence[Ratio],
    names: dict[str, str],
    experiment: Experiment,
) -> str:
    medians = {each.label: median for each in compared if (median := median_of(each, experiment))}
    fastest, *others = sorted(medians, key=lambda label: medians[label].value)
    if not others:
        return f"{names[fastest]} answers {model} in {_time(medians[fastest])} at the median."
    by_label = {each.label: each.estimate for each in ratios if each.baseline == fastest}
    alike = [label for label in others if not _is_above_1(by_label.get(label))]
    if alike:
        told_apart = [label for label in others if label not in alike]
        group = [fastest, *alike]
        if any(label not in by_label or by_label[label].interval is None for label in alike):
            reason = "there are too few rounds to tell them apart"
        else:
            reason = "they cannot be told apart"
        medians_ms = _listed([_number(medians[label].value) for label in group])
        slower = ""
        if told_apart:
            verb = "is" if len(told_apart) == 1 else "are"
            slower = f"; {_listed([names[label] for label in told_apart[:_MOST_NAMED]])} {verb} slower"
        which = _listed([names[label] for label in group])
        return f"For {model}, {which} answer in {medians_ms} ms at the median, and {reason}{slower}."
    named = [f"{_times(by_label[label])} as fast as {names[label]}" for label in others[:_MOST_NAMED]]
    return f"For {model}, {names[fastest]} answers fastest: {_time(medians[fastest])} at the median, {_listed(named)}."


def _is_above_1(ratio: Estimate | None) -> bool:
    return ratio is not None and ratio.interval is not None and ratio.interval.low > 1


def _cost(compared: Sequence[ConfigurationSummary], names: dict[str, str], ratios: Mapping[str, Estimate]) -> str:
    costs = {each.label: usd for each in compared if (usd := per_million_usd(each)) is not None}
    if not costs:
        return ""
    unknown = [each.label for each in compared if each.label not in costs and each.warm]
    cheapest, *others = sorted(costs, key=lambda label: costs[label])
    if unknown:
        what = _listed([names[label] for label in unknown])
        return f"What {what} costs is unknown, so none is called cheapest."
    if not others:
        return f"A million requests cost {_dollars(costs[cheapest])}."
    intervals = {each.label: each.cost.per_million_interval for each in compared if each.cost is not None}
    alike = [
        label
        for label in others
        # Without rounds in common, only the costs themselves can be compared.
        if not (_is_above_1(ratios[label]) if label in ratios else _are_apart(intervals[cheapest], intervals[label]))
    ]
    if alike:
        group = _listed([names[label] for label in (cheapest, *alike)])
        amounts = _listed([_dollars(costs[label]) for label in (cheapest, *alike)])
        known = [ratios[label].interval if label in ratios else intervals[label] for label in alike]
        untold = intervals[cheapest] is None or None in known
        reason = "with too few rounds to tell which is cheaper" if untold else "and cannot be told apart by cost"
        return f"{group} cost {amounts} per million requests, {reason}."
    return f"{names[cheapest]} is cheapest at {_dollars(costs[cheapest])} per million requests."


def _refused(compared: Sequence[ConfigurationSummary], names: dict[str, str]) -> str:
    refused = [
        names[each.label] for each in compared if not each.warm and each.cold and TOO_LARGE in each.cold.failures
    ]
    if not refused:
        return ""
    return f"{_listed(refused)} {'takes' if len(refused) == 1 else 'take'} no bodies of this size."


def _are_apart(one: Interval | None, other: Interval | None) -> bool:
    return one is not None and other is not None and not one.overlaps(other)


def _objective(
    compared: Sequence[ConfigurationSummary], names: dict[str, str], slo_p99_ms: float, experiment: Experiment
) -> str:
    objective = f"p99 within {slo_p99_ms:g} ms"
    keeping, states = within_slo(compared, slo_p99_ms), judge_objective(compared, slo_p99_ms)
    untold = [each for each in compared if states[each.label] == "undecided"]
    if untold and not any(_has_p99(each, experiment) for each in compared):
        return f"There are too few requests to tell whether any keeps {objective}."
    few = [names[each.label] for each in untold if not _has_p99(each, experiment)]
    close = [names[each.label] for each in untold if _has_p99(each, experiment)]
    beyond = f" There are too few requests to tell for {_listed(few)}." if few else ""
    if close:
        beyond += f" It takes more rounds to tell for {_listed(close)}."
    if not keeping:
        return f"None is shown to keep {objective}.{beyond}"
    prices = {each.label: per_million_usd(each) for each in compared}
    if any(prices[label] is None for label in keeping):
        verb = "keeps" if len(keeping) == 1 else "keep"
        return f"{_listed([names[label] for label in keeping])} {verb} {objective}.{beyond}"
    return f"The cheapest that keeps {objective} is {names[keeping[0]]}.{beyond}"


def _has_p99(configuration: ConfigurationSummary, experiment: Experiment) -> bool:
    return experiment in configuration.warm and 99 in configuration.warm[experiment].percentiles_ms


def _times(ratio: Estimate) -> str:
    assert ratio.interval is not None
    low, high = _factor(ratio.interval.low), _factor(ratio.interval.high)
    return f"{low} times" if low == high else f"{low} to {high} times"


def _factor(value: float) -> str:
    return f"{value:.2f}" if value < 1.1 else f"{value:.1f}" if value < 9.95 else f"{value:.0f}"


def _time(median: Estimate) -> str:
    return f"{_number(median.value)} ms"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 99.95 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def _dollars(usd: float) -> str:
    return f"${usd:.0f}" if usd >= 99.5 else f"${usd:.2f}" if usd >= 0.1 else f"${usd:.2g}"


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
