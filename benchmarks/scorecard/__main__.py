"""Measure every performance target in one run: `hatch run scorecard [NAME...] [--json FILE]`.

Each row is printed as one JSON line on stdout; a table of all rows follows on stderr. Run it on an otherwise idle
machine.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import chain
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
from app_rows import app_rows
from batching_rows import batching_rows
from codec_rows import codec_rows, wire_rows
from engine_rows import engine_rows, thread_rows
from overhead_rows import client_rows, overhead_rows
from peer_rows import floor_rows, peer_rows
from platform_rows import cold_rows, serve_rows
from rich.console import Console
from rich.table import Table
from rows import Row

from serverless_dnn.bench.experiment import export_if_missing
from serverless_dnn.bench.machine import describe_machine, git_revision, package_versions
from serverless_dnn.models.registry import MODELS

_GROUPS: dict[str, Callable[[Path], Iterator[Row]]] = {
    "codec": lambda _models: codec_rows(),
    "wire": lambda _models: wire_rows(),
    "client": lambda _models: client_rows(),
    "overhead": lambda _models: overhead_rows(),
    "engine": lambda models: chain(engine_rows(models), app_rows(models)),
    "threads": thread_rows,
    "serve": serve_rows,
    "cold": cold_rows,
    "batching": batching_rows,
    "floor": lambda _models: floor_rows(),
    "peer": peer_rows,
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
def main(names: tuple[str, ...], json_path: Path | None, models_dir: Path) -> None:
    """Measure the rows of the groups NAME; all groups by default.

    The groups are codec, wire, client, overhead, engine, threads, serve, cold, batching, floor and peer. The engine
    group covers the paper's models and ten stock Keras applications.
    """
    if unknown := set(names) - set(_GROUPS):
        raise click.BadParameter(f"unknown groups {', '.join(sorted(unknown))}; choose from {', '.join(_GROUPS)}")
    chosen = [group for group in _GROUPS if not names or group in names]
    if {"engine", "threads", "serve", "cold", "batching", "peer"} & set(chosen):
        for model in MODELS:
            export_if_missing(model, models_dir)
    rows: list[Row] = []
    lines = [
        json.dumps({"machine": describe_machine(), "packages": package_versions(), "git_revision": git_revision()})
    ]
    print(lines[0], flush=True)
    for group in chosen:
        for row in _GROUPS[group](models_dir.resolve()):
            rows.append(row)
            lines.append(json.dumps(asdict(row)))
            print(lines[-1], flush=True)
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
