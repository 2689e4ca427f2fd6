"""The command ``sdnn-models``."""

import os
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from serverless_dnn.models.errors import ModelsError
from serverless_dnn.models.registry import MODELS

_MIB = 1 << 20
_ERRORS = Console(stderr=True)


@click.group(context_settings={"auto_envvar_prefix": "SDNN_MODELS", "max_content_width": 120})
def main() -> None:
    """The models of the paper, as SavedModels that every server here and TensorFlow Serving itself can serve."""


@main.command("list")
def list_models() -> None:
    """Show the models beside the paper's figures.

    Example: sdnn-models list
    """
    table = Table("model", "task", "parameters", "input MiB", "paper", "output MiB", "paper", title="Models")
    for card in MODELS.values():
        table.add_row(
            card.name,
            card.task,
            f"{card.parameters:,}",
            f"{sum(spec.request_bytes() for spec in card.inputs) / _MIB:.3f}",
            f"{card.paper.input_grpc_mib:.3f}",
            f"{sum(spec.request_bytes() for spec in card.outputs) / _MIB:.4f}",
            f"{card.paper.output_grpc_mib:.4f}",
        )
    Console().print(table)


@main.command("export")
@click.argument("name", metavar="NAME")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--weights", default="random", show_default=True, help="random, imagenet, or a file that Keras reads.")
@click.option("--seed", default=0, show_default=True, help="Of random weights.")
@click.option("--version", default=1, show_default=True, type=click.IntRange(0), help="The version's number.")
def export(name: str, folder: Path, weights: str, seed: int, version: int) -> None:
    r"""Write the model NAME, or all of them, to FOLDER/NAME/VERSION.

    \b
    Examples:
      sdnn-models export mobilenet_v1 models
      sdnn-models export all models --seed 7
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from serverless_dnn.models.export import export_model

    try:
        for model in MODELS if name == "all" else (name,):
            if weights == "random":
                _ERRORS.print(
                    f"[yellow]{model}: RANDOM weights (seed {seed})[/]: right in size and speed, not in what it says"
                )
            with _ERRORS.status(model) as status:
                path = export_model(
                    model,
                    folder,
                    weights=weights,
                    seed=seed,
                    version=version,
                    on_step=lambda step, model=model, status=status: status.update(f"{model}: {step}"),  # type: ignore[misc]
                )
            click.echo(path)
    except ModelsError as error:
        click.echo(f"sdnn-models: {error}", err=True)
        sys.exit(1)
