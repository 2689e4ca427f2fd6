"""The model's files: exported if it is one of the paper's, and compiled ahead as an image's build does."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.targets.processes import find_command
from serverless_dnn.models.registry import get_model

CACHE_FOLDER = ".compiled"
_QUOTED_LINES = 3


def check_model_name(model: str, models_folder: Path) -> None:
    """See that a model is on disk or can be exported, before anything is.

    Args:
        model: The model's name.
        models_folder: Holds one folder per model.

    Raises:
        UnknownModelError: There is no such model.
    """
    if not _is_exported(models_folder / model):
        get_model(model)


def export_if_missing(model: str, models_folder: Path) -> Path:
    """Export one of the paper's models unless it is already on disk.

    Args:
        model: The model's name.
        models_folder: Holds one folder per model.

    Returns:
        The model's folder.

    Raises:
        OptionError: The export failed.
    """
    folder = models_folder / model
    if not _is_exported(folder):
        # A separate process, because the benchmark itself never imports TensorFlow.
        _run([find_command("sdnn-models"), "export", model, str(models_folder)], f"cannot export {model}")
    return folder


def fill_cache(model: str, model_folder: Path, engine: str, models_folder: Path) -> Path:
    """Compile a model as an image's build does, so that instances find it compiled.

    Args:
        model: The model's name.
        model_folder: Its folder, which contains version folders.
        engine: ``auto`` or ``openvino``.
        models_folder: Holds the caches of all models as well.

    Returns:
        The cache's folder.

    Raises:
        OptionError: The model cannot be compiled.
    """
    folder = (models_folder / CACHE_FOLDER / f"{model}-{engine}").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "serverless_dnn.runtime.commands.compile_models"]
    named = ["--model-base-path", str(model_folder), "--model-name", model]
    chosen = ["--cache-folder", str(folder), "--engine", engine]
    _run([*command, *named, *chosen], f"cannot compile {model} for {engine}")
    return folder


def _is_exported(folder: Path) -> bool:
    return any(folder.glob("*/saved_model.pb"))


def _run(command: Sequence[str], problem: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = " | ".join((done.stderr or done.stdout).strip().splitlines()[-_QUOTED_LINES:])
        raise OptionError(f"{problem}: {last or f'it ended with {done.returncode}'}")
