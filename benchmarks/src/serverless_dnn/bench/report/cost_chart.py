"""Cost against latency, and which configurations nothing beats in both; pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from serverless_dnn.bench.analysis.choices import main_experiment
from serverless_dnn.bench.analysis.results import RunSummary
from serverless_dnn.bench.report.charts import tip
from serverless_dnn.bench.report.labels import placed
from serverless_dnn.bench.report.series import color_of
from serverless_dnn.bench.report.svg import Axis, Line, Plot, Point, Scale, scale_of
from serverless_dnn.bench.report.view import percentile_of, recommended, warm_configurations
from serverless_dnn.bench.report.wording import dollars, percentile_name

_LONGEST_LABEL = 24


@dataclass(frozen=True)
class CostPlot:
    """Cost against latency.

    Attributes:
        plot: The picture.
        percent: The percentile of the latency.
        unpriced: The configurations that are not shown, because their cost is unknown.
    """

    plot: Plot
    percent: float
    unpriced: tuple[str, ...]


def cost_against_latency(summary: RunSummary) -> CostPlot | None:
    """Dollars per million requests against latency, with those that nothing beats in both.

    Args:
        summary: The run.

    Returns:
        The picture; ``None`` if fewer than two configurations have a known cost and latency.
    """
    experiment = main_experiment(summary.configurations)
    if experiment is None:
        return None
    warm = [(each, each.warm[experiment]) for each in summary.configurations if experiment in each.warm]
    has_all_p99 = all(99 in row.percentiles_ms for _, row in warm)
    percent = 99.0 if has_all_p99 else 50.0
    rows = [
        (each, each.cost.per_million_usd, estimate)
        for each, row in warm
        if each.cost and each.cost.per_million_usd is not None and (estimate := percentile_of(row, percent))
    ]
    if len(rows) < 2:
        return None
    shown = {each.label for each, *_ in rows}
    best = _frontier([(usd, estimate.value, each.label) for each, usd, estimate in rows])
    x, y = scale_of(usd for _, usd, _ in rows), scale_of(estimate.value for *_, estimate in rows)
    labelled = shown if len(rows) <= 6 else {label for *_, label in best}
    choice = recommended(summary)
    points = [
        Point(
            usd,
            estimate.value,
            color_of(each.measured.configuration),
            f"{tip(each.label, percentile_name(percent), estimate)}; ${dollars(usd)} per million",
            is_hollow=each.measured.configuration.role == "beside",
            is_marked=each.label == choice,
            label=_short(each.label) if each.label in labelled else "",
        )
        for each, usd, estimate in rows
    ]
    plot = Plot(
        title="Cost against latency",
        x=Axis(x, "$ per million requests"),
        y=Axis(y, f"{percentile_name(percent)} end to end, ms"),
        lines=[Line(_staircase(best, x, y), "var(--muted)", "3 4")],
        points=placed(points, x, y),
        limit=(summary.slo_p99_ms, f"objective {summary.slo_p99_ms:g} ms")
        if summary.slo_p99_ms and percent == 99
        else None,
        height_px=320,
    )
    return CostPlot(
        plot, percent, tuple(each.label for each in warm_configurations(summary) if each.label not in shown)
    )


def _short(label: str) -> str:
    """A label that fits beside its point; the point tells all of it."""
    return label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"


def _frontier(rows: Sequence[tuple[float, float, str]]) -> list[tuple[float, float, str]]:
    """Those that no other beats in both, cheapest first."""
    best: list[tuple[float, float, str]] = []
    for row in sorted(rows):
        if not best or row[1] < best[-1][1]:
            best.append(row)
    return best


def _staircase(best: Sequence[tuple[float, float, str]], x: Scale, y: Scale) -> list[tuple[float, float]]:
    points = [(best[0][0], y.high)]
    for (usd, latency, _), following in zip(best, [*best[1:], None], strict=True):
        points += [(usd, latency), (following[0] if following else x.high, latency)]
    return points
