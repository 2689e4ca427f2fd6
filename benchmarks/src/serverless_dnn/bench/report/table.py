"""A run as text for a terminal: the answer, the numbers, and whether they can be used."""

from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from serverless_dnn.bench.analysis.results import COLD_PHASES, RunSummary
from serverless_dnn.bench.configuration import Finding
from serverless_dnn.bench.recorded_run import Run, RunData
from serverless_dnn.bench.report.columns import Column, headline_columns, requests_note
from serverless_dnn.bench.report.view import (
    Folded,
    failures_of,
    fold_slivers,
    marks,
    measured_experiments,
    warm_configurations,
)
from serverless_dnn.bench.report.wording import counts, estimate, interval, listed, number, priced

_GAP = 2
_LABEL = "configuration"
_ROOMY = 110
_STYLES = {"VALID": "bold", "DOUBTFUL": "bold yellow", "INVALID": "bold red", "INCOMPLETE": "bold red"}


def print_run(data: RunData, summary: RunSummary, console: Console) -> None:
    """Print a run.

    Args:
        data: The run.
        summary: Its numbers.
        console: Where to print; its width decides how many columns there are.
    """
    console.print(run_tables(data.run, summary, console.width))


def run_tables(run: Run, summary: RunSummary, width: int) -> RenderableType:
    """A run as text.

    Args:
        run: The run.
        summary: Its numbers.
        width: The columns of the terminal.

    Returns:
        The answer, the tables of warm requests and of cold starts, and the verdict.
    """
    parts: list[RenderableType] = [Text(summary.answer, "bold"), Text("")]
    if run.kind != "capacity":
        parts += _headline(run, summary, width)
    if any(each.cold for each in summary.configurations):
        parts += _cold(summary, width)
    return Group(*parts, *_notes(summary), *_verdict(run))


def _headline(run: Run, summary: RunSummary, width: int) -> list[RenderableType]:
    columns = headline_columns(summary)
    configurations = warm_configurations(summary)
    rows = [[column.cell(each) for column in columns] for each in configurations]
    labels = [each.label for each in configurations]
    shown = _fitting(columns, rows, width - max(cell_len(text) for text in (_LABEL, *labels)) - _GAP)
    experiments = measured_experiments(summary)
    table = _new_table()
    table.add_column(_LABEL, overflow="fold", vertical="bottom")
    for index in shown:
        table.add_column(_header(columns[index]), justify="right", no_wrap=True, vertical="bottom")
    for label, row in zip(labels, rows, strict=True):
        table.add_row(Text(label), *(_cell(columns[index], row[index]) for index in shown))
    title = f"{run.model}, end to end" + (f"; {requests_note(summary, experiments)}" if experiments else "")
    return [Text(title), table, Text("")]


def _header(column: Column) -> str:
    """A header of short lines: where it was measured, the number, its unit."""
    words = column.title.replace("95 %", "95\u00a0%").replace("$ per", "$\u00a0per").split(" ")
    lines = [column.experiment or "", *words, column.unit]
    return "\n".join(line for line in lines if line)


def _cell(column: Column, text: str) -> Text:
    return Text(text, "red" if column.title == "failed" and text != "0" else "")


def _fitting(columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int) -> list[int]:
    """The columns that fit, the most important first, and then in the order in which they are read."""
    shown: list[int] = []
    for index in sorted(range(len(columns)), key=lambda index: columns[index].importance):
        header = max(cell_len(line) for line in _header(columns[index]).splitlines())
        needed = max([header, *(cell_len(row[index]) for row in rows)]) + _GAP
        if needed <= room:
            shown.append(index)
            room -= needed
    return sorted(shown)


def _cold(summary: RunSummary, width: int) -> list[RenderableType]:
    rows = [each.cold for each in summary.configurations if each.cold is not None]
    leading = {"n": [str(len(row.totals_ms)) for row in rows], "p50\nms": [estimate(row.total_ms) for row in rows]}
    if width >= _ROOMY and any(row.total_ms and row.total_ms.interval for row in rows):
        leading["95 % interval\nms"] = [interval(row.total_ms.interval if row.total_ms else None) for row in rows]
    if any(row.failures for row in rows):
        leading["failed"] = [f"{sum(row.failures.values()):,}" for row in rows]
    taken = max(cell_len(text) for text in (_LABEL, *(row.label for row in rows))) + _GAP
    for header, cells in leading.items():
        taken += max(cell_len(text) for text in (*header.split("\n"), *cells)) + _GAP
    folded = _fitting_phases({row.label: row.phases_ms for row in rows}, width - taken)
    table = _new_table()
    table.add_column(_LABEL, overflow="fold", vertical="bottom")
    for header in (*leading, *("\n".join((*name.split(), "ms")) for name in folded.names)):
        table.add_column(header, justify="right", no_wrap=True, vertical="bottom")
    for row, *cells in zip(rows, *leading.values(), strict=True):
        table.add_row(Text(row.label), *cells, *(number(folded.rows[row.label].get(name)) for name in folded.names))
    notes = ["Phases are means, and add up to the mean."]
    if folded.folded:
        notes.append(f"Other: {listed(folded.folded)}.")
    if any(len(row.totals_ms) == 1 for row in rows):
        notes.append("n = 1: a single start does not show how much they vary.")
    title = "Cold start, from a request that finds no instance to its answer"
    return [Text(title), table, Text(" ".join(notes), "dim"), Text("")]


def _fitting_phases(rows: Mapping[str, Mapping[str, float]], room: int) -> Folded:
    for most in range(len(COLD_PHASES), 1, -1):
        folded = fold_slivers(rows, COLD_PHASES, most)
        columns = {
            name: [*name.split(), *(number(parts.get(name)) for parts in folded.rows.values())] for name in folded.names
        }
        if sum(max(map(cell_len, texts)) + _GAP for texts in columns.values()) <= room:
            break
    return folded


def _notes(summary: RunSummary) -> list[RenderableType]:
    notes: list[RenderableType] = [
        Text(f"Failed on {each.label}: {counts(failures)}", "red")
        for each in summary.configurations
        if (failures := failures_of(each))
    ]
    choices = [
        f"{label} ({listed(named)})"
        for each in summary.configurations
        if (named := marks(summary, label := each.label))
    ]
    if choices:
        notes.append(Text(f"Take {', '.join(choices)}."))
    costs = [each.cost for each in summary.configurations if each.cost is not None]
    where = sorted({priced(cost) for cost in costs if cost.region})
    if where:
        notes.append(Text(f"Prices: {listed(where)}, without data transfer; the report says what is assumed.", "dim"))
    # What is assumed is in the report; why there is no number belongs beside the dash.
    reasons = dict.fromkeys(cost.notes[0] for cost in costs if cost.per_million_usd is None and cost.notes)
    if reasons:
        notes.append(Text(" ".join(reasons), "dim"))
    return notes


def _verdict(run: Run) -> list[RenderableType]:
    head = Text(run.verdict, _STYLES[run.verdict])
    if run.largest_difference is not None:
        head.append(f"  outputs differ by at most {run.largest_difference:.2g}", "default")
    return [Text(""), head, *(Padding(_finding(each), (0, 0, 0, 2)) for each in run.findings)]


def _finding(finding: Finding) -> Text:
    text = Text(finding.code, {"invalid": "red", "doubtful": "yellow", "note": "bold"}[finding.severity])
    whom = f" ({finding.configuration})" if finding.configuration else ""
    return text.append(f"{whom}: {finding.message}", "default")


def _new_table() -> Table:
    return Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0))
