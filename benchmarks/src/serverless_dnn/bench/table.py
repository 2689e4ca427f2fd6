"""A run as tables for a terminal, from its folder alone."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from serverless_dnn.bench.run_folder import Run
from serverless_dnn.bench.samples import Experiment, Sample
from serverless_dnn.bench.summary import WarmSummary, engine_of, summarize_cold, summarize_warm

EXPERIMENT_TITLES: dict[Experiment, str] = {"sequential": "one after another", "burst": "all at once"}
ABSENT = "–"


def run_tables(run: Run, samples: Sequence[Sample]) -> RenderableType:
    """A run's tables.

    Args:
        run: The run.
        samples: Its requests.

    Returns:
        A rich renderable: warm requests, cold starts, and the verdict.
    """
    verdict = Text(f"{run.verdict}", "bold green" if not run.reasons else "bold red")
    if run.largest_difference is not None:
        verdict.append(f"  outputs of the platforms differ by at most {run.largest_difference:.2g}", "default")
    for reason in run.reasons:
        verdict.append(f"\n  {reason}", "red")
    return Group(_warm_table(run, samples), _cold_table(run, samples), verdict)


def print_run(run: Run, samples: Sequence[Sample], console: Console) -> None:
    """Print a run.

    Args:
        run: The run.
        samples: Its requests.
        console: Where to print.
    """
    console.print(run_tables(run, samples))


def _warm_table(run: Run, samples: Sequence[Sample]) -> Table:
    table = Table(
        title=f"{run.model}, {run.options['requests']} requests", title_justify="left", box=SIMPLE_HEAD, pad_edge=False
    )
    for title in ("platform", "protocol", "requests"):
        table.add_column(title)
    for title in ("bytes out", "back", "p50 ms", "p95", "p99", "compute", "overhead", "failed"):
        table.add_column(title, justify="right")
    for facts in run.platforms:
        for experiment in EXPERIMENT_TITLES:
            row = summarize_warm(samples, facts["name"], experiment)
            table.add_row(
                facts["name"],
                facts["protocol"],
                experiment,
                *_numbers(row),
            )
        table.add_section()
    return table


def _numbers(row: WarmSummary) -> list[str]:
    failed = sum(row.failures.values())
    return [
        ABSENT if row.bytes_sent is None else f"{row.bytes_sent:,}",
        ABSENT if row.bytes_received is None else f"{row.bytes_received:,}",
        *(milliseconds(value) for value in (row.p50_ms, row.p95_ms, row.p99_ms, row.compute_p50_ms)),
        ABSENT if row.overhead_share is None else f"{row.overhead_share:.0%}",
        f"[red]{failed}[/]" if failed else "0",
    ]


def _cold_table(run: Run, samples: Sequence[Sample]) -> Table:
    rows = [summarize_cold(samples, facts["name"]) for facts in run.platforms]
    phases = list(dict.fromkeys(name for row in rows for name in row.phases_ms))
    table = Table(
        title="cold start, from a request without an instance to its answer, ms", title_justify="left", box=SIMPLE_HEAD
    )
    table.add_column("platform")
    table.add_column("engine in model server")
    for title in ("total", *phases):
        table.add_column(title, justify="right")
    for row, facts in zip(rows, run.platforms, strict=True):
        engine = f"{engine_of(samples, facts['name']) or 'unknown engine'} in {facts['model_server']}"
        cells = [milliseconds(row.phases_ms.get(name)) for name in phases]
        total = milliseconds(row.total_ms) if row.failure is None else f"[red]{row.failure}"
        table.add_row(row.platform, engine, total, *cells)
    return table


def milliseconds(value: float | None) -> str:
    """Format milliseconds with three significant digits.

    Args:
        value: Milliseconds, or ``None``.

    Returns:
        The text; a dash for ``None``.
    """
    if value is None:
        return ABSENT
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
