"""Bars that show what a time is made of; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from serverless_dnn.bench.analysis.choices import main_experiment
from serverless_dnn.bench.analysis.results import COLD_PHASES, REQUEST_PARTS, RunSummary
from serverless_dnn.bench.report.view import fold_slivers

_WIDEST_BAR_PX, _LETTER_PX = 560, 7.5


@dataclass(frozen=True)
class Segment:
    """A part of a bar.

    Attributes:
        name: The part.
        value_ms: How long it took.
        share: Its share of the bar.
    """

    name: str
    value_ms: float
    share: float


@dataclass(frozen=True)
class Bar:
    """A bar.

    Attributes:
        label: The configuration.
        total_ms: Its length.
        share: Its share of the longest bar.
        count: How many measurements it is the mean of.
        segments: Its parts.
    """

    label: str
    total_ms: float
    share: float
    count: int
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class Bars:
    """A bar for each configuration.

    Attributes:
        bars: The bars.
        names: The parts that are shown, in order.
        unlabelled: Those whose name fits into no bar even on a wide page.
        folded: What ``other`` consists of.
    """

    bars: tuple[Bar, ...]
    names: tuple[str, ...]
    unlabelled: tuple[str, ...]
    folded: tuple[str, ...]


def request_bars(summary: RunSummary) -> Bars | None:
    """Where the time of a request goes, on average.

    Args:
        summary: The run.

    Returns:
        The bars; ``None`` if no parts are known.
    """
    experiment = main_experiment(summary.configurations)
    rows = [
        (warm.label, warm.parts_ms, warm.requests - sum(warm.failures.values()) - sum(warm.set_apart.values()))
        for each in summary.configurations
        if experiment and (warm := each.warm.get(experiment)) and warm.parts_ms
    ]
    return _bars(rows, REQUEST_PARTS)


def cold_bars(summary: RunSummary) -> Bars | None:
    """What a cold start is made of, on average.

    Args:
        summary: The run.

    Returns:
        The bars; ``None`` if there were no cold starts.
    """
    colds = [each.cold for each in summary.configurations if each.cold is not None and each.cold.phases_ms]
    return _bars([(cold.label, cold.phases_ms, len(cold.totals_ms)) for cold in colds], COLD_PHASES)


def _bars(rows: Sequence[tuple[str, Mapping[str, float], int]], order: Sequence[str]) -> Bars | None:
    if not rows:
        return None
    folded = fold_slivers({label: parts for label, parts, _ in rows}, order)
    totals = {label: sum(parts.values()) for label, parts in folded.rows.items()}
    longest = max(totals.values())
    bars = tuple(
        Bar(
            label,
            totals[label],
            totals[label] / longest,
            count,
            tuple(
                Segment(name, folded.rows[label][name], folded.rows[label][name] / totals[label])
                for name in folded.names
                if name in folded.rows[label]
            ),
        )
        for label, _, count in rows
    )
    widths = {
        name: max(
            segment.value_ms / longest * _WIDEST_BAR_PX
            for bar in bars
            for segment in bar.segments
            if segment.name == name
        )
        for name in folded.names
    }
    unlabelled = tuple(name for name in folded.names if widths[name] < len(name) * _LETTER_PX)
    return Bars(bars, folded.names, unlabelled, folded.folded)
