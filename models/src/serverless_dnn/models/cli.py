"""The command ``sdnn-models``."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.status import Status

from serverless_dnn.models.errors import ModelsError
from serverless_dnn.models.registry import MODELS

_ERRORS = Console(stderr=True)
_option = partial(click.option, show_envvar=True)


@click.group(context_settings={"auto_envvar_prefix": "SDNN_MODELS", "max_content_width": 120})
def main() -> None:
    """The paper's models as SavedModels that every server here, and TensorFlow Serving itself, can serve."""


@main.command("list")
@_option("--wire", is_flag=True, help="Encode one request and one reply, and show their actual sizes.")
@_option(
    "--format",
    "output_format",
    envvar="SDNN_MODELS_LIST_FORMAT",
    default="table",
    show_default=True,
    type=click.Choice(["table", "json", "csv", "markdown"]),
    help="Of what is printed.",
)
def list_models(*, wire: bool, output_format: str) -> None:
    """Show the models next to the paper's figures; differences are shown in yellow.

    \b
    Examples:
      sdnn-models list
      sdnn-models list --wire
      sdnn-models list --format csv
    """  # noqa: D301 # click marks preformatted lines with a backspace
    from serverless_dnn.models.listing import card_rows, print_rows, rows_as_csv, rows_as_markdown, wire_rows

    rows = wire_rows(MODELS.values()) if wire else card_rows(MODELS.values())
    if output_format == "json":
        click.echo(json.dumps([asdict(row) for row in rows], indent=2))
    elif output_format == "csv":
        click.echo(rows_as_csv(rows), nl=False)
    elif output_format == "markdown":
        click.echo(rows_as_markdown(rows), nl=False)
    else:
        print_rows(rows, Console())


@main.command("export")
@click.argument("name", metavar="NAME")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@_option("--weights", default="random", show_default=True, help="random, imagenet, or a file.")
@_option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed for random weights.")
@_option("--version", default=1, show_default=True, type=click.IntRange(0), help="Version number.")
@_option("--frozen", is_flag=True, help="Freeze weights into graph constants: loads faster.")
@_option("--openvino", is_flag=True, help="Also write OpenVINO's own format, in assets.extra.")
@_option(
    "--format",
    "layout",
    envvar="SDNN_MODELS_EXPORT_FORMAT",
    default="tfserving",
    show_default=True,
    type=click.Choice(["tfserving", "sagemaker"]),
    help="sagemaker also packs NAME/model.tar.gz.",
)
@_option("--overwrite", is_flag=True, help="Replace the version if it exists.")
def export(name: str, folder: Path, *, layout: str, overwrite: bool, **options: Any) -> None:
    """Write the model NAME, or all of them, to FOLDER/NAME/VERSION.

    \b
    Examples:
      sdnn-models export mobilenet_v1 models
      sdnn-models export all models --seed 7
      sdnn-models export bert_base models --weights checkpoint/model.safetensors --format sagemaker
    """  # noqa: D301 # as above
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Keras reads this on import, and no other backend writes SavedModels this way.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    from serverless_dnn.models.export import ExportOptions, export_model

    chosen = ExportOptions(sagemaker=layout == "sagemaker", **options)
    try:
        for model in MODELS if name == "all" else (name,):
            if chosen.weights == "random":
                _ERRORS.print(
                    f"[yellow]{model}: RANDOM weights (seed {chosen.seed})[/]: real size and speed, meaningless answers"
                )
            with _ERRORS.status(model) as status:
                path = export_model(model, folder, chosen, partial(_show_step, model, status), overwrite=overwrite)
            click.echo(path)
    except ModelsError as error:
        click.echo(f"sdnn-models: {error}", err=True)
        sys.exit(1)


def _show_step(model: str, status: Status, step: str) -> None:
    status.update(f"{model}: {step}")
    # The spinner's status is overwritten, but notes about the weights must stay visible.
    if step.startswith("note:"):
        _ERRORS.print(f"[yellow]{model}: {step}[/]")


@main.command("compile")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@_option(
    "--cache-folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Output; created if missing.",
)
@_option("--precision", default="f32", show_default=True, help="Inference precision: f32, bf16 or f16.")
def compile_models(folder: Path, cache_folder: Path, precision: str) -> None:
    """Compile the models in FOLDER for OpenVINO ahead of a server's first start, e.g. at image build time.

    Needs serverless-dnn-runtime[openvino] in the same environment. If TensorFlow is installed as well, the two engines'
    outputs are compared, and a model on which they differ is rejected. Servers pick up the result with --cache-folder
    if they have the same OpenVINO version, precision and CPU instructions.

    \b
    Examples:
      sdnn-models compile models --cache-folder cache
      sdnn-models compile models/mobilenet_v1 --cache-folder cache --precision bf16
    """  # noqa: D301 # as above
    command = ["--precision", precision, "--model-base-path", str(folder), "--cache-folder", str(cache_folder)]
    _run_runtime("compile_models", command)


@main.command("explain")
@click.argument("folder", metavar="MODEL", type=click.Path(path_type=Path, file_okay=False, exists=True))
@_option("--json", "as_json", envvar="SDNN_MODELS_EXPLAIN_JSON", is_flag=True, help="Print one JSON line per version.")
def explain(folder: Path, *, as_json: bool) -> None:
    """Show which engine a server's `--engine auto` chooses for MODEL, and why, operator by operator.

    MODEL is a version folder, a model folder, or a folder of models. Needs serverless-dnn-runtime in the same
    environment, but neither TensorFlow nor OpenVINO.

    \b
    Examples:
      sdnn-models explain models/mobilenet_v1
      sdnn-models explain models --json
    """  # noqa: D301 # as above
    _run_runtime("explain_model", [str(folder), *(["--json"] if as_json else [])])


def _run_runtime(module: str, arguments: list[str]) -> None:
    if find_spec("serverless_dnn.runtime") is None:
        click.echo("sdnn-models: this needs a runtime: pip install 'serverless-dnn-runtime[openvino]'", err=True)
        sys.exit(1)
    # A separate process: this package uses the runtime only as a command, as it does servers.
    command = [sys.executable, "-m", f"serverless_dnn.runtime.commands.{module}", *arguments]
    sys.exit(subprocess.run(command, check=False).returncode)
