"""A run as one self-contained HTML page, from its folder alone."""

from pathlib import Path

from serverless_dnn.bench.analysis.choices import main_experiment
from serverless_dnn.bench.analysis.prices import load_prices
from serverless_dnn.bench.analysis.results import RunSummary
from serverless_dnn.bench.analysis.summary import summarize
from serverless_dnn.bench.recorded_run import RunData
from serverless_dnn.bench.report import wording
from serverless_dnn.bench.report.bars import cold_bars, request_bars
from serverless_dnn.bench.report.charts import distribution_configurations, distributions, sweep_plots
from serverless_dnn.bench.report.colors import palette
from serverless_dnn.bench.report.columns import Column, headline_columns, requests_note
from serverless_dnn.bench.report.cost_chart import cost_against_latency
from serverless_dnn.bench.report.facts import settings
from serverless_dnn.bench.report.pages import new_environment
from serverless_dnn.bench.report.series import dashes, memory_series
from serverless_dnn.bench.report.view import (
    common_engine,
    cost_notes,
    failures_of,
    marks,
    measured_experiments,
    recommended,
    warm_configurations,
)
from serverless_dnn.bench.run_folder import REPORT_FILE, read_run
from serverless_dnn.bench.whole_files import write_file

_MOST_IMPORTANT = 5


def write_report(folder: Path, slo_p99_ms: float | None = None, prices: Path | None = None) -> Path:
    """Write a run's report next to its data.

    Args:
        folder: The run's folder.
        slo_p99_ms: An objective for the p99 in place of the run's own.
        prices: A price table in place of the run's own.

    Returns:
        The report's path.

    Raises:
        RunFolderError: The folder is not a run, or the report cannot be written.
        OptionError: The price table cannot be used.
    """
    data = read_run(folder)
    summary = summarize(data, slo_p99_ms=slo_p99_ms, prices=None if prices is None else load_prices(prices))
    return write_file(folder / REPORT_FILE, render_report(data, summary))


def render_report(data: RunData, summary: RunSummary) -> str:
    """Render a run's report.

    Args:
        data: The run.
        summary: Its numbers.

    Returns:
        Self-contained HTML: nothing in it is loaded from elsewhere.
    """
    return _render("report.html.j2", data, summary)


def render_picture(data: RunData, summary: RunSummary) -> str:
    """Render a run's answer and its main picture alone.

    Args:
        data: The run.
        summary: Its numbers.

    Returns:
        Self-contained HTML.
    """
    return _render("picture.html.j2", data, summary)


def _render(template: str, data: RunData, summary: RunSummary) -> str:
    environment = new_environment()
    environment.filters |= {"size": wording.size, "estimate": wording.estimate, "counts": wording.counts}
    environment.globals |= {"marks": marks, "failures_of": failures_of, "kept_word": wording.kept_word}
    configurations = summary.configurations
    platforms = [each.measured.configuration.platform for each in configurations]
    columns = [each for each in headline_columns(summary, with_cold=True) if each.importance <= _MOST_IMPORTANT]
    experiments = measured_experiments(summary)
    titles = wording.experiment_titles(summary.in_flight)
    answer = wording.sentences(wording.unbroken(summary.answer)) or (f"{data.run.model}, measured",)
    return environment.get_template(template).render(
        run=data.run,
        summary=summary,
        configurations=configurations,
        warm=warm_configurations(summary),
        headline=answer[0],
        more=" ".join(answer[1:]),
        engine=common_engine(configurations),
        main=main_experiment(configurations),
        note=requests_note(summary, experiments) if experiments else "",
        columns=columns,
        groups=_groups(columns),
        experiment_titles=titles,
        requests=request_bars(summary),
        cold=cold_bars(summary),
        distributions=distributions(data.samples, summary),
        dashes=dashes(distribution_configurations(summary)),
        cost=cost_against_latency(summary),
        priced_requests=wording.listed(
            list(dict.fromkeys(titles[each.cost.experiment] for each in configurations if each.cost))
        ),
        priced=list(
            dict.fromkeys(wording.priced(each.cost) for each in configurations if each.cost and each.cost.region)
        ),
        ring=recommended(summary),
        cost_notes=cost_notes(configurations),
        sweep=sweep_plots(summary),
        series=memory_series(summary),
        settings=settings(data.run),
        light=palette(platforms, dark=False),
        dark=palette(platforms, dark=True),
    )


def _groups(columns: list[Column]) -> list[tuple[str | None, int]]:
    """Neighbours of the same experiment, with how many they are."""
    groups: list[tuple[str | None, int]] = []
    for column in columns:
        if groups and groups[-1][0] == column.experiment:
            groups[-1] = (column.experiment, groups[-1][1] + 1)
        else:
            groups.append((column.experiment, 1))
    return groups
