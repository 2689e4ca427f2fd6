"""Measure every bar of speed in one run: `hatch run scorecard [NAME...] [--quick] [--json FILE]`.

Each row is printed as one JSON line on stdout; a table of all rows follows on stderr. Run it on an otherwise idle
machine.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
from app_rows import app_rows
from batching_rows import batching_rows
from client_rows import call_rows, import_rows
from codec_rows import codec_rows, wire_rows
from cold_floor_rows import cold_floor_rows
from door_rows import door_rows
from engine_rows import engine_rows, thread_rows
from front_rows import front_rows
from handler_rows import handler_rows
from measure_rows import loadgen_rows, synthetic_rows
from overhead_rows import overhead_rows
from peer_rows import floor_rows, peer_rows
from platform_rows import cold_rows, serve_rows
from probe_rows import probe_rows
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rows import Effort, Row

from serverless_dnn.bench.experiments.exported_models import export_if_missing
from serverless_dnn.bench.machine import describe_machine, git_revision, package_versions
from serverless_dnn.models.registry import MODELS


@dataclass(frozen=True)
class Group:
    """Rows that are measured together.

    Attributes:
        rows: Measures them.
        seconds: What that takes on two cores, thoroughly and quickly; for telling how much is left.
    """

    rows: Callable[[Path, Effort], Iterator[Row]]
    seconds: tuple[int, int]


_GROUPS: dict[str, Group] = {
    "codec": Group(lambda _models, effort: codec_rows(effort), (30, 8)),
    "wire": Group(lambda _models, _effort: wire_rows(), (2, 2)),
    "client": Group(lambda _models, effort: chain(import_rows(effort), call_rows(effort)), (25, 12)),
    "overhead": Group(lambda _models, effort: overhead_rows(effort), (12, 6)),
    "engine": Group(lambda models, effort: chain(engine_rows(models, effort), app_rows(models, effort)), (300, 130)),
    "threads": Group(thread_rows, (90, 15)),
    "serve": Group(serve_rows, (480, 70)),
    "cold": Group(cold_rows, (200, 60)),
    "cold-floor": Group(cold_floor_rows, (60, 20)),
    "probe": Group(probe_rows, (50, 15)),
    "batching": Group(batching_rows, (420, 60)),
    "front": Group(lambda _models, effort: front_rows(effort), (40, 15)),
    "handler": Group(handler_rows, (40, 15)),
    "floor": Group(lambda _models, effort: floor_rows(effort), (20, 6)),
    "door": Group(lambda _models, effort: door_rows(effort), (25, 10)),
    "peer": Group(peer_rows, (420, 60)),
    "measure": Group(lambda models, effort: chain(synthetic_rows(effort), loadgen_rows(models, effort)), (165, 55)),
}


@click.command(epilog="Example: hatch run scorecard codec overhead --json scorecard.jsonl")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--json", "json_path", type=click.Path(path_type=Path, dir_okay=False), help="Also write the rows to this file."
)
@click.option(
    "--models-dir",
    default=".cache/models",
    show_default=True,
    type=click.Path(path_type=Path),
    help="The exported models; Keras applications are kept in a sibling folder with the suffix -keras.",
)
@click.option("--quick", is_flag=True, help="Measure every row, with few rounds: a first look in some minutes.")
def main(names: tuple[str, ...], json_path: Path | None, models_dir: Path, *, quick: bool) -> None:
    """Measure the rows of the groups NAME, all by default.

    The groups are codec, wire, client, overhead, engine, threads, serve, cold, cold-floor, probe, batching, front,
    floor, door, peer and measure. Group engine has the paper's models and ten stock Keras applications.
    """
    if unknown := set(names) - set(_GROUPS):
        raise click.BadParameter(f"unknown groups {', '.join(sorted(unknown))}; choose from {', '.join(_GROUPS)}")
    chosen = [group for group in _GROUPS if not names or group in names]
    if {"engine", "threads", "serve", "cold", "cold-floor", "probe", "batching", "handler", "peer"} & set(chosen):
        for model in MODELS:
            export_if_missing(model, models_dir)
    rows: list[Row] = []
    lines = [
        json.dumps({"machine": describe_machine(), "packages": package_versions(), "git_revision": git_revision()})
    ]
    print(lines[0], flush=True)
    console = Console(stderr=True)
    seconds = {group: _GROUPS[group].seconds[quick] for group in chosen}
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.fields[left]}"))
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=sum(seconds.values()), left="")
        for number, group in enumerate(chosen, 1):
            left_s = sum(seconds[later] for later in chosen[number - 1 :])
            about = f"about {max(1, round(left_s / 60))} min left"
            progress.update(task, description=f"{number}/{len(chosen)} {group}", left=about)
            if not console.is_terminal:
                console.print(f"{time.strftime('%H:%M:%S')} {number}/{len(chosen)} {group}, {about}")
            for row in _GROUPS[group].rows(models_dir.resolve(), Effort(quick)):
                rows.append(row)
                lines.append(json.dumps(asdict(row)))
                print(lines[-1], flush=True)
            progress.advance(task, seconds[group])
    if json_path is not None:
        aside = json_path.with_name(f"{json_path.name}.partial")
        aside.write_text("\n".join(lines) + "\n", encoding="utf-8")
        aside.rename(json_path)
    _print_table(rows)
    sys.exit(1 if any(row.verdict == "short" for row in rows) else 0)


def _print_table(rows: list[Row]) -> None:
    table = Table("row", "value", "bar", "verdict", "quartiles", "n", "note")
    colors = {"pass": "green", "short": "red", "n/a": "yellow"}
    for row in rows:
        table.add_row(
            row.name,
            "" if row.value is None else f"{row.value:.3g} {row.unit}",
            f"{row.bar:g}",
            f"[{colors[row.verdict]}]{row.verdict}[/]",
            "" if row.spread is None else f"{row.spread[0]:.3g} to {row.spread[1]:.3g}",
            str(row.samples),
            row.note,
        )
    Console(stderr=True).print(table)


if __name__ == "__main__":
    main()
