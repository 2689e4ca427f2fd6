"""What every form of the report shows of a summary, and in which order; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from serverless_dnn.bench.analysis.results import ConfigurationSummary, Estimate, RunSummary, WarmSummary
from serverless_dnn.bench.load.samples import Experiment
from serverless_dnn.bench.report.wording import experiment_titles, listed

SLIVER = 0.02
"""A part that is less than this share of every bar is not shown by itself."""
OTHER = "other"


@dataclass(frozen=True)
class Folded:
    """Parts of several totals, the small ones put together.

    Attributes:
        names: The parts in order, ``other`` last.
        rows: For each total, its parts; they add up to what they did before.
        folded: What ``other`` consists of.
    """

    names: tuple[str, ...]
    rows: Mapping[str, Mapping[str, float]]
    folded: tuple[str, ...]


def fold_slivers(rows: Mapping[str, Mapping[str, float]], order: Sequence[str], most: int | None = None) -> Folded:
    """Put together the parts that are slivers of every total.

    Args:
        rows: For each total, its parts.
        order: The order of the parts.
        most: The most parts to show; the smallest beyond them are put together as well.

    Returns:
        The parts to show. A single small part keeps its name.
    """
    shares = {
        name: max((parts[name] / sum(parts.values()) for parts in rows.values() if parts.get(name)), default=0.0)
        for name in order
    }
    present = [name for name in order if shares[name] > 0]
    small = {name for name in present if shares[name] < SLIVER}
    if most is not None:
        by_size = sorted(present, key=lambda name: shares[name], reverse=True)
        small |= set(by_size[most - 1 :]) if len(present) > most else set()
    if len(small) == 1:
        small = set()
    kept = [name for name in present if name not in small]
    folded = tuple(name for name in present if name in small)

    def shown(parts: Mapping[str, float]) -> dict[str, float]:
        rest = sum(parts.get(name, 0.0) for name in folded)
        return {name: parts[name] for name in kept if name in parts} | ({OTHER: rest} if rest else {})

    names = (*kept, OTHER) if folded else tuple(kept)
    return Folded(names, {label: shown(parts) for label, parts in rows.items()}, folded)


def measured_experiments(summary: RunSummary) -> tuple[Experiment, ...]:
    """The compared experiments that at least one configuration took part in, in order.

    Args:
        summary: The run.
    """
    return tuple(name for name in experiment_titles() if any(name in each.warm for each in summary.configurations))


def warm_configurations(summary: RunSummary) -> tuple[ConfigurationSummary, ...]:
    """The configurations whose requests are compared: all but those that are there for their cold starts alone.

    Args:
        summary: The run.
    """
    return tuple(each for each in summary.configurations if each.warm or each.measured.configuration.cache == "filled")


def percentile_of(warm: WarmSummary | None, percent: float) -> Estimate | None:
    """A percentile of the latency.

    Args:
        warm: The requests, or ``None``.
        percent: Such as 99.

    Returns:
        The percentile; ``None`` if there is none, or the count cannot carry it.
    """
    return None if warm is None else warm.percentiles_ms.get(percent)


def carried_percents(summary: RunSummary, experiment: Experiment) -> tuple[float, ...]:
    """The percentiles of an experiment that at least one configuration can carry.

    Args:
        summary: The run.
        experiment: The experiment.
    """
    return tuple(
        sorted(
            {
                percent
                for each in summary.configurations
                if (warm := each.warm.get(experiment))
                for percent in warm.percentiles_ms
            }
        )
    )


def failures_of(configuration: ConfigurationSummary) -> dict[str, int]:
    """All failures of a configuration, by status.

    Args:
        configuration: The configuration.

    Returns:
        The counts over all its experiments, cold starts included.
    """
    parts: list[Mapping[str, int]] = [warm.failures for warm in configuration.warm.values()]
    if configuration.cold is not None:
        parts.append(configuration.cold.failures)
    total: dict[str, int] = {}
    for part in parts:
        for status, count in part.items():
            total[status] = total.get(status, 0) + count
    return total


def common_engine(configurations: Sequence[ConfigurationSummary]) -> str | None:
    """The engine that ran the model, if all configurations have the same.

    Args:
        configurations: The configurations.

    Returns:
        The engine; ``None`` if they differ or none is known.
    """
    engines = {each.measured.engine for each in configurations}
    return engines.pop() if len(engines) == 1 else None


def marks(summary: RunSummary, label: str) -> tuple[str, ...]:
    """What a configuration is the choice for.

    Args:
        summary: The run.
        label: The configuration.

    Returns:
        Such as ``cost`` and ``speed``; with an objective also ``cheapest within it``.
    """
    chosen = [strategy for strategy, choice in summary.choices.items() if choice == label]
    if summary.within_slo[:1] == (label,):
        chosen.append(f"cheapest within p99 {summary.slo_p99_ms:g} ms")
    return tuple(chosen)


def recommended(summary: RunSummary) -> str | None:
    """The configuration that pictures put a ring around.

    Args:
        summary: The run.

    Returns:
        The label of the cheapest within the objective, or without one of the balanced choice; ``None`` if unknown.
    """
    if summary.slo_p99_ms is not None:
        return next(iter(summary.within_slo), None)
    return summary.choices.get("balanced")


def cost_notes(configurations: Sequence[ConfigurationSummary]) -> list[str]:
    """What is unknown or assumed of the costs, each said once for all whom it concerns.

    Args:
        configurations: The configurations.

    Returns:
        Sentences, such as ``AWS Lambda and Cloud Run: the price is unknown.``
    """
    whom: dict[str, list[str]] = {}
    for each in configurations:
        for note in each.cost.notes if each.cost else ():
            title, colon, rest = note.partition(": ")
            own = title == each.measured.title and colon
            names = whom.setdefault(rest if own else note, [])
            if own and title not in names:
                names.append(title)
    return [f"{listed(names)}: {text}" if names else text for text, names in whom.items()]
