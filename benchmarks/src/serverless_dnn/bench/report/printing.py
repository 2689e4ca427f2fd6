"""What commands print: a run in the format that was asked for, and what each amount of load led to."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from serverless_dnn.bench.analysis.prices import load_prices
from serverless_dnn.bench.analysis.probes import Probe
from serverless_dnn.bench.analysis.summary import summarize
from serverless_dnn.bench.recorded_run import RunData
from serverless_dnn.bench.report.formats import DocumentFormat, render
from serverless_dnn.bench.report.table import print_run as print_tables
from serverless_dnn.bench.report.wording import kept_word, number


def print_run(
    data: RunData, output_format: str, *, slo_p99_ms: float | None = None, prices: Path | None = None
) -> None:
    """Print a run on stdout.

    Args:
        data: The run.
        output_format: ``table``, ``json``, ``csv`` or ``markdown``.
        slo_p99_ms: An objective for the p99 in place of the run's own.
        prices: A price table in place of the run's own.

    Raises:
        OptionError: The price table cannot be used.
    """
    summary = summarize(data, slo_p99_ms=slo_p99_ms, prices=None if prices is None else load_prices(prices))
    if output_format != "table":
        click.echo(render(cast("DocumentFormat", output_format), data, summary), nl=False)
        return
    console = Console()
    print_tables(data, summary, console)
    if data.run.probes:
        print_probes(data.run.probes, console, has_objective=summary.slo_p99_ms is not None)


def print_probes(probes: Sequence[Probe], console: Console, *, has_objective: bool) -> None:
    """Print what each amount of load led to.

    Args:
        probes: In the order in which they were tried.
        console: Where to print.
        has_objective: Whether they were to keep one.
    """
    has_rates = probes[0].quantity == "rate"
    amounts = ("asked\n1/s", "offered\n1/s") if has_rates else ("in\nflight",)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), title="load carried", title_justify="left")
    table.add_column("configuration", overflow="fold", vertical="bottom")
    for title in (*amounts, "requests", "failed", "answered\n1/s", "p50\nms", "p99\nms", "kept"):
        table.add_column(title, justify="right", no_wrap=True, vertical="bottom")
    for label in dict.fromkeys(probe.configuration for probe in probes):
        for probe in sorted((each for each in probes if each.configuration == label), key=lambda each: each.value):
            table.add_row(
                label,
                number(probe.value),
                *([number(probe.offered_rate)] if has_rates else []),
                f"{probe.requests:,}",
                f"{probe.failures:,}",
                number(probe.answered_rate),
                number(probe.p50_ms),
                number(probe.p99_ms),
                kept_word(probe) if has_objective else "",
            )
        table.add_section()
    console.print(table)
