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
    """The models of the paper, as SavedModels that every server here and TensorFlow Serving itself can serve."""


@main.command("list")
@_option("--wire", is_flag=True, help="Really encode one request and one reply, and show their sizes.")
@_option("--json", "as_json", envvar="SDNN_MODELS_LIST_JSON", is_flag=True, help="Print JSON instead of a table.")
def list_models(*, wire: bool, as_json: bool) -> None:
    """Show the models beside the paper's figures; what differs from them is yellow.

    \b
    Examples:
      sdnn-models list
      sdnn-models list --wire
    """  # noqa: D301 # click's mark for kept lines is a backspace
    from serverless_dnn.models.listing import card_rows, print_rows, wire_rows

    rows = wire_rows(MODELS.values()) if wire else card_rows(MODELS.values())
    if as_json:
        click.echo(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        print_rows(rows, Console())


@main.command("export")
@click.argument("name", metavar="NAME")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@_option("--weights", default="random", show_default=True, help="random, imagenet, or a file.")
@_option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of random weights.")
@_option("--version", default=1, show_default=True, type=click.IntRange(0), help="The version's number.")
@_option("--frozen", is_flag=True, help="Weights as constants of the graph: loads faster.")
@_option("--openvino", is_flag=True, help="OpenVINO's own format as well, in assets.extra.")
@_option(
    "--format",
    "layout",
    envvar="SDNN_MODELS_EXPORT_FORMAT",
    default="tfserving",
    show_default=True,
    type=click.Choice(["tfserving", "sagemaker"]),
    help="sagemaker packs NAME/model.tar.gz as well.",
)
@_option("--overwrite", is_flag=True, help="Replace the version if there is one.")
def export(name: str, folder: Path, *, layout: str, overwrite: bool, **options: Any) -> None:
    """Write the model NAME, or all of them, to FOLDER/NAME/VERSION.

    \b
    Examples:
      sdnn-models export mobilenet_v1 models
      sdnn-models export all models --seed 7
      sdnn-models export bert_base models --weights checkpoint/model.safetensors --format sagemaker
    """  # noqa: D301 # likewise
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Read when Keras is imported, and no other backend writes SavedModels this way.
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
    # A spinner's last words are lost; what a user must know of the weights is not.
    if step.startswith("note:"):
        _ERRORS.print(f"[yellow]{model}: {step}[/]")


@main.command("compile")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@_option("--cache-folder", required=True, type=click.Path(path_type=Path, file_okay=False), help="Filled; may be new.")
@_option("--precision", default="f32", show_default=True, help="The arithmetic: f32, bf16 or f16.")
def compile_models(folder: Path, cache_folder: Path, precision: str) -> None:
    """Compile the models in FOLDER for OpenVINO ahead of a server's first start, such as at image build.

    Needs serverless-dnn-runtime[openvino] in the same environment; with TensorFlow as well, the answers of both engines
    are compared, and a model that OpenVINO answers otherwise is refused. Servers find the result with --cache-folder,
    if they have the same OpenVINO version, precision and CPU instructions.

    \b
    Examples:
      sdnn-models compile models --cache-folder cache
      sdnn-models compile models/mobilenet_v1 --cache-folder cache --precision bf16
    """  # noqa: D301 # likewise
    command = ["--precision", precision, "--model-base-path", str(folder), "--cache-folder", str(cache_folder)]
    _run_runtime("compile_models", command)


@main.command("explain")
@click.argument("folder", metavar="MODEL", type=click.Path(path_type=Path, file_okay=False, exists=True))
@_option("--json", "as_json", envvar="SDNN_MODELS_EXPLAIN_JSON", is_flag=True, help="Print a JSON line a version.")
def explain(folder: Path, *, as_json: bool) -> None:
    """Tell which engine a server's `--engine auto` takes for MODEL, and why, operator by operator.

    MODEL is a version's folder, a model's, or a folder of models. Needs serverless-dnn-runtime in the same environment,
    and neither TensorFlow nor OpenVINO.

    \b
    Examples:
      sdnn-models explain models/mobilenet_v1
      sdnn-models explain models --json
    """  # noqa: D301 # likewise
    _run_runtime("explain_model", [str(folder), *(["--json"] if as_json else [])])


def _run_runtime(module: str, arguments: list[str]) -> None:
    if find_spec("serverless_dnn.runtime") is None:
        click.echo("sdnn-models: this needs a runtime: pip install 'serverless-dnn-runtime[openvino]'", err=True)
        sys.exit(1)
    # A process of its own: this package meets the runtime as a command, as it meets servers.
    command = [sys.executable, "-m", f"serverless_dnn.runtime.commands.{module}", *arguments]
    sys.exit(subprocess.run(command, check=False).returncode)
