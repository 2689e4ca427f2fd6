"""What changed between two runs, as text."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from serverless_dnn.bench.analysis.comparison import Change, Comparison, Difference
from serverless_dnn.bench.report.wording import ABSENT, dollars, listed, number

_UNITS = {"cost": "$ per million", "failures": "requests"}


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print what changed.

    Args:
        comparison: The comparison.
        console: Where to print.
    """
    console.print(comparison_text(comparison))


def comparison_text(comparison: Comparison) -> RenderableType:
    """What changed, for a terminal of 80 columns or more.

    Args:
        comparison: The comparison.

    Returns:
        The answer, the numbers that changed beyond noise, and what else is not the same in both runs.
    """
    changed = [change for change in comparison.changes if change.changed]
    parts: list[RenderableType] = [Text(answer(comparison), "bold")]
    if changed:
        parts += [Text(""), _table(changed)]
    untold = [change for change in comparison.changes if change.changed is None]
    if untold:
        whom = listed(list(dict.fromkeys(change.label for change in untold)))
        parts.append(
            Text(f"\n{_numbers(len(untold))} of {whom} cannot be told from noise: too few rounds, or too small.")
        )
    for labels, run in ((comparison.only_before, "before"), (comparison.only_after, "after")):
        if labels:
            parts.append(Text(f"\nOnly in the run {run}: {listed(labels)}"))
    if comparison.differences:
        parts += [Text("\nThe runs also differ in"), _differences(comparison.differences)]
    return Group(*parts)


def answer(comparison: Comparison) -> str:
    """The answer in a sentence.

    Args:
        comparison: The comparison.

    Returns:
        How many numbers got worse and how many better, or that none changed; of two capacities, both.
    """
    changed = [change for change in comparison.changes if change.changed]
    told = sum(change.changed is not None for change in comparison.changes)
    if comparison.carried:
        before, after = comparison.carried
        return f"Before: {before}\nAfter: {after}"
    if not told:
        return "Nothing can be compared: the runs have no number in common that is known well enough."
    if not changed:
        return f"Nothing changed beyond noise, of {_numbers(told)}."
    worse = sum(change.after > change.before for change in changed)
    parts = [f"{count} got {how}" for count, how in ((worse, "worse"), (len(changed) - worse, "better")) if count]
    return f"Of {_numbers(told)}, {listed(parts)} beyond noise."


def _numbers(count: int) -> str:
    return f"{count} number{'' if count == 1 else 's'}"


def _table(changed: Sequence[Change]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("configuration", overflow="fold")
    table.add_column("number", no_wrap=True)
    for title in ("before", "after", "change", "95 % interval"):
        table.add_column(title, justify="right", no_wrap=True)
    for change in changed:
        style = "red" if change.after > change.before else ""
        table.add_row(
            Text(change.label), _name(change), *_values(change), Text(_percent(change), style), _interval(change)
        )
    return table


def _name(change: Change) -> str:
    unit = _UNITS.get(change.metric, "ms")
    what = {"cost": "cost", "failures": "failed", "cold": "cold start p50"}.get(change.metric, change.metric)
    experiment = "" if change.experiment in (None, "cold") else f"{change.experiment} "
    return f"{experiment}{what}, {unit}"


def _values(change: Change) -> tuple[str, str]:
    if change.metric == "failures":
        return f"{change.before:,.0f}", f"{change.after:,.0f}"
    write = dollars if change.metric == "cost" else number
    return write(change.before), write(change.after)


def _percent(change: Change) -> str:
    return ABSENT if change.ratio is None else f"{(change.ratio.value - 1) * 100:+.1f} %"


def _interval(change: Change) -> str:
    if change.ratio is None or change.ratio.interval is None:
        return ABSENT
    low, high = ((end - 1) * 100 for end in (change.ratio.interval.low, change.ratio.interval.high))
    return f"{low:+.1f} to {high:+.1f} %"


def _differences(differences: Sequence[Difference]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for each in differences:
        values = (ABSENT if value is None else str(value) for value in (each.before, each.after))
        table.add_row(Text(f"  {each.name}"), Text(" → ".join(values)))
    return table
