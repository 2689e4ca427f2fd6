"""The pictures of the page that have axes; pure."""

from collections.abc import Callable, Sequence

from serverless_dnn.bench.analysis.choices import main_experiment
from serverless_dnn.bench.analysis.results import (
    ConfigurationSummary,
    Estimate,
    RunSummary,
)
from serverless_dnn.bench.load.samples import Experiment, Sample
from serverless_dnn.bench.report.series import color_of, dashes, memory_series
from serverless_dnn.bench.report.svg import Axis, Line, Plot, Point, Scale, scale_of
from serverless_dnn.bench.report.view import measured_experiments, percentile_of, recommended, warm_configurations
from serverless_dnn.bench.report.wording import dollars, experiment_titles, interval, number, percentile_name

_MOST_STEPS = 300


def distributions(samples: Sequence[Sample], summary: RunSummary) -> list[tuple[Plot, list[ConfigurationSummary]]]:
    """Cumulative distributions of latency, a plot for each experiment.

    Args:
        samples: The run's requests.
        summary: Its numbers.

    Returns:
        The plots, each with the configurations that it shows.
    """
    shown = distribution_configurations(summary)
    dash, titles = dashes(shown), experiment_titles(summary.in_flight)
    plots = []
    for experiment in measured_experiments(summary):
        rows: dict[str, list[float]] = {}
        for sample in samples:
            if sample.experiment == experiment and sample.is_counted:
                rows.setdefault(sample.configuration, []).append(sample.latency_ns / 1e6)
        drawn = [each for each in shown if rows.get(each.label)]
        if not drawn:
            continue
        latencies = {each.label: sorted(rows[each.label]) for each in drawn}
        scale = scale_of((values[place] for values in latencies.values() for place in (0, -1)), log_from=6)
        plot = Plot(
            title=f"Share of requests answered within a latency, {titles[experiment]}",
            heading=f"{titles[experiment]} ({experiment})",
            x=Axis(scale, "end to end, ms"),
            y=Axis(Scale(0, 1), "answered", [(share / 100, f"{share} %") for share in (0, 25, 50, 75, 100)]),
            lines=[
                _steps(latencies[each.label], scale, color_of(each.measured.configuration), dash[each.label])
                for each in drawn
            ],
            points=[point for each in drawn for point in _percentile_points(each, experiment)],
        )
        plots.append((plot, drawn))
    return plots


def distribution_configurations(summary: RunSummary) -> list[ConfigurationSummary]:
    """The configurations whose distributions are shown: all, or of many those that a strategy takes.

    Args:
        summary: The run.
    """
    warm = list(warm_configurations(summary))
    if len(warm) <= 6:
        return warm
    chosen = {*summary.choices.values(), *summary.within_slo[:1]}
    return [each for each in warm if each.label in chosen]


def _steps(values: Sequence[float], scale: Scale, color: str, dash: str) -> Line:
    count = len(values)
    kept = (
        range(count)
        if count <= _MOST_STEPS
        else [round(step * (count - 1) / _MOST_STEPS) for step in range(_MOST_STEPS + 1)]
    )
    points = [(values[0], 0.0), *((values[index], (index + 1) / count) for index in kept), (scale.high, 1.0)]
    return Line(points, color, dash, is_steps=True)


def _percentile_points(each: ConfigurationSummary, experiment: Experiment) -> list[Point]:
    color = color_of(each.measured.configuration)
    return [
        Point(
            estimate.value,
            percent / 100,
            color,
            tip(each.label, f"{percentile_name(percent)} {experiment}", estimate),
            is_visible=percent == 50,
        )
        for percent, estimate in each.warm[experiment].percentiles_ms.items()
        if percent in (50, 95, 99)
    ]


def tip(label: str, what: str, estimate: Estimate) -> str:
    """What a point tells when it is pointed at.

    Args:
        label: The configuration.
        what: What is measured.
        estimate: Its value in milliseconds.
    """
    between = "" if estimate.interval is None else f" (95 % interval {interval(estimate.interval)})"
    return f"{label}: {what} {number(estimate.value)} ms{between}, n = {estimate.count}"


def sweep_plots(summary: RunSummary) -> list[Plot]:
    """Memory against the median, the p99, the cold start and the cost.

    Args:
        summary: The run.

    Returns:
        A plot for each of the four that was measured; none if memory varies on no platform.
    """
    experiment = main_experiment(summary.configurations)
    series = [{each.measured.configuration.memory_mb or 0 for each in one.members} for one in memory_series(summary)]
    if experiment is None or not any(len(sizes) > 1 for sizes in series):
        return []
    known = sorted(set().union(*series))
    x = Axis(Scale(known[0] / 1.12, known[-1] * 1.12, is_log=True), "memory", _memory_ticks(known))

    def percentile(percent: float) -> Callable[[ConfigurationSummary], Estimate | None]:
        return lambda each: percentile_of(each.warm.get(experiment), percent)

    quantities: list[tuple[str, str, Callable[[ConfigurationSummary], Estimate | None]]] = [
        ("Median latency", "ms", percentile(50)),
        ("p99 latency", "ms", percentile(99)),
        ("Cold start, median", "ms", lambda each: each.cold.total_ms if each.cold else None),
        ("Cost per million requests", "$", _cost_estimate),
    ]
    plots = [_memory_plot(summary, x, *quantity) for quantity in quantities]
    return [plot for plot in plots if plot is not None]


def _cost_estimate(each: ConfigurationSummary) -> Estimate | None:
    if each.cost is None or each.cost.per_million_usd is None:
        return None
    return Estimate(each.cost.per_million_usd, each.cost.per_million_interval, 1)


def _memory_ticks(sizes: Sequence[int]) -> list[tuple[float, str]]:
    powers = [2**power for power in range(7, 16) if sizes[0] / 1.12 <= 2**power <= sizes[-1] * 1.12]
    marked = powers if len(powers) > 1 else sizes
    return [(float(size), f"{size // 1024} GB" if size % 1024 == 0 else f"{size} MB") for size in marked]


def _memory_plot(
    summary: RunSummary, x: Axis, heading: str, unit: str, value: Callable[[ConfigurationSummary], Estimate | None]
) -> Plot | None:
    rows = [
        (series, [(each, estimate) for each in series.members if (estimate := value(each)) is not None])
        for series in memory_series(summary)
    ]
    estimates = [estimate for _, members in rows for _, estimate in members]
    if not estimates:
        return None
    ends = [end for each in estimates for end in ((each.interval.low, each.interval.high) if each.interval else ())]
    has_limit = summary.slo_p99_ms is not None and heading.startswith("p99")
    limit = (summary.slo_p99_ms, f"objective {summary.slo_p99_ms:g} ms") if has_limit and summary.slo_p99_ms else None
    choice = recommended(summary)
    points = [
        Point(
            each.measured.configuration.memory_mb or 0,
            estimate.value,
            series.color,
            _memory_tip(each, heading, unit, estimate),
            is_marked=each.label == choice,
            low=None if estimate.interval is None else estimate.interval.low,
            high=None if estimate.interval is None else estimate.interval.high,
        )
        for series, members in rows
        for each, estimate in members
    ]
    return Plot(
        title=f"{heading} by memory",
        heading=heading,
        x=x,
        y=Axis(scale_of([*(each.value for each in estimates), *ends, *([limit[0]] if limit else [])]), unit),
        lines=[
            Line(
                [(each.measured.configuration.memory_mb or 0, estimate.value) for each, estimate in members],
                series.color,
                series.dash,
            )
            for series, members in rows
        ],
        points=points,
        limit=limit,
        height_px=210,
    )


def _memory_tip(each: ConfigurationSummary, heading: str, unit: str, estimate: Estimate) -> str:
    memory = f"{each.measured.configuration.memory_mb or 0:,} MB"
    whom = each.label if memory.replace(",", "") in each.label else f"{each.label}, {memory}"
    if unit == "$":
        return f"{whom}: ${dollars(estimate.value)} per million"
    return tip(whom, heading[:1].lower() + heading[1:], estimate)
