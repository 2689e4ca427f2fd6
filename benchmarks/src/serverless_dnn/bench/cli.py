"""The command ``sdnn-bench``."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from serverless_dnn.bench.errors import BenchError
from serverless_dnn.client.errors import ClientError
from serverless_dnn.models.errors import ModelsError

_PLATFORMS = ("lambda", "sagemaker", "cloudrun")
_ENGINES = ("auto", "tensorflow", "openvino")
_FORMATS = ("json", "npy", "protobuf")
_FOLDER = click.Path(path_type=Path, file_okay=False)
_INTERRUPTED = 130


@click.group(context_settings={"auto_envvar_prefix": "SDNN_BENCH", "max_content_width": 120})
def main() -> None:
    """Benchmark one model on a function, a special-purpose endpoint and a container."""


@main.command()
@click.option("--model", default="mobilenet_v1", show_default=True, help="A model from `sdnn-models list`.")
@click.option(
    "--photograph",
    type=click.Path(path_type=Path),
    help="Photograph to send; defaults to matplotlib's sample portrait.",
)
@click.option(
    "--platform", "platforms", multiple=True, type=click.Choice(_PLATFORMS), help="Repeatable; all by default."
)
@click.option("--requests", default=40, show_default=True, type=click.IntRange(1, 1000), help="Per experiment.")
@click.option(
    "--engine",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "tensorflow", "openvino"]),
    help="Inference engine.",
)
@click.option("--body-format", default="json", show_default=True, type=click.Choice(_FORMATS), help="For REST bodies.")
@click.option("--instances", type=click.IntRange(1), help="Instance cap on Lambda and SageMaker; default: CPU count.")
@click.option(
    "--models-dir",
    default=".cache/models",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder of exported models.",
)
@click.option("--runs-dir", default="runs", show_default=True, type=click.Path(path_type=Path), help="Output folder.")
def run(**options: Any) -> None:
    """Run the experiment on each platform: a cold start, then sequential requests, then a burst.

    Real server processes run behind the platforms' own APIs on this machine; no account is needed.

    \b
    Examples:
      sdnn-bench run
      sdnn-bench run --engine tensorflow --platform cloudrun --requests 100
      sdnn-bench run --body-format npy --photograph cat.jpg
    """  # noqa: D301 # click marks preformatted lines with a backspace
    # Imported here so that --help and usage errors respond at once.
    from serverless_dnn.bench.main_job import RunOptions, run_main_job
    from serverless_dnn.bench.table import print_run

    options["platforms"] = options["platforms"] or _PLATFORMS
    options["instances"] = options["instances"] or len(os.sched_getaffinity(0))
    with _one_line_errors():
        folder, result, samples = run_main_job(RunOptions(**options), Console(stderr=True))
        console = Console()
        print_run(result, samples, console)
        console.print(f"report: {folder / 'report.html'}", soft_wrap=True)
    sys.exit(1 if result.reasons else 0)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
def report(folder: Path) -> None:
    """Reprint a run from its FOLDER and regenerate its HTML report.

    \b
    Example:
      sdnn-bench report runs/20261124T101500.000000Z-mobilenet_v1
    """  # noqa: D301 # as above
    from serverless_dnn.bench.report import write_report
    from serverless_dnn.bench.run_folder import read_run
    from serverless_dnn.bench.table import print_run

    with _one_line_errors():
        print_run(*read_run(folder), Console())
        click.echo(f"report: {write_report(folder)}")


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except (BenchError, ClientError, ModelsError) as error:
        click.echo(f"sdnn-bench: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        click.echo("sdnn-bench: interrupted; nothing was kept", err=True)
        sys.exit(_INTERRUPTED)
