"""A run's tables as GitHub's Markdown, for a README or a pull request."""

from collections.abc import Sequence

from serverless_dnn.bench.analysis.probes import Probe
from serverless_dnn.bench.analysis.results import COLD_PHASES, RunSummary
from serverless_dnn.bench.recorded_run import RunData
from serverless_dnn.bench.report.columns import headline_columns, requests_note
from serverless_dnn.bench.report.view import failures_of, fold_slivers, measured_experiments, warm_configurations
from serverless_dnn.bench.report.wording import counts, estimate, interval, kept_word, listed, number

_MOST_IMPORTANT = 4


def to_markdown(data: RunData, summary: RunSummary) -> str:
    """A run's tables as GitHub's Markdown, for a README or a pull request.

    Args:
        data: The run.
        summary: Its numbers.

    Returns:
        The text.
    """
    run = data.run
    numbers = [_markdown_probes(run.probes)] if run.kind == "capacity" else _markdown_headline(run.model, summary)
    blocks = [f"**{_escaped(summary.answer)}**", *numbers, *_markdown_cold(summary)]
    failures = [f"{each.label}: {counts(failed)}" for each in summary.configurations if (failed := failures_of(each))]
    if failures:
        blocks.append(f"Failed: {_escaped('; '.join(failures))}.")
    difference = run.largest_difference
    blocks.append(f"{run.verdict}" + ("" if difference is None else f"; outputs differ by at most {difference:.2g}."))
    blocks += [f"- {each.code}{_whom(each.configuration)}: {_escaped(each.message)}" for each in run.findings]
    return "\n\n".join(blocks) + "\n"


def _markdown_headline(model: str, summary: RunSummary) -> list[str]:
    columns = [column for column in headline_columns(summary) if column.importance <= _MOST_IMPORTANT]
    headers = [" ".join(filter(None, (each.experiment, each.title, each.unit))) for each in columns]
    rows = [[each.label, *(column.cell(each) for column in columns)] for each in warm_configurations(summary)]
    experiments = measured_experiments(summary)
    title = f"{model}, end to end" + (f"; {requests_note(summary, experiments)}." if experiments else ".")
    return [title, _markdown_table(["configuration", *headers], rows)]


def _markdown_probes(probes: Sequence[Probe]) -> str:
    headers = ["configuration", "asked", "offered/s", "requests", "failed", "answered/s", "p50 ms", "p99 ms", "kept"]
    rows = [
        [
            probe.configuration,
            f"{number(probe.value)} {'requests/s' if probe.quantity == 'rate' else 'in flight'}",
            number(probe.offered_rate),
            f"{probe.requests:,}",
            f"{probe.failures:,}",
            *map(number, (probe.answered_rate, probe.p50_ms, probe.p99_ms)),
            kept_word(probe),
        ]
        for probe in probes
    ]
    return _markdown_table(headers, rows)


def _markdown_cold(summary: RunSummary) -> list[str]:
    rows = {each.label: each.cold for each in summary.configurations if each.cold is not None}
    if not rows:
        return []
    folded = fold_slivers({label: row.phases_ms for label, row in rows.items()}, COLD_PHASES)
    headers = ["configuration", "n", "p50 ms", "95 % interval ms", *(f"{name} ms" for name in folded.names)]
    cells = [
        [
            label,
            str(len(row.totals_ms)),
            estimate(row.total_ms),
            interval(None if row.total_ms is None else row.total_ms.interval),
            *(number(folded.rows[label].get(name)) for name in folded.names),
        ]
        for label, row in rows.items()
    ]
    note = "Cold start, from a request that finds no instance to its answer; phases are means"
    return [f"{note}{f', other: {listed(folded.folded)}' if folded.folded else ''}.", _markdown_table(headers, cells)]


def _markdown_table(headers: list[str], rows: list[list[str]]) -> str:
    lines = [headers, ["---", *["---:"] * (len(headers) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in lines)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def _whom(label: str | None) -> str:
    return "" if label is None else f" ({_escaped(label)})"
