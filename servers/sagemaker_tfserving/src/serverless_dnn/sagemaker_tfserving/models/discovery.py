"""Find the models below a folder, by the rules of the TensorFlow Serving container that AWS published.

Every ``saved_model.pb`` whose parent folder is named by a number is a version; the folder above it names the model,
however deep it lies; every version is served.
"""

import logging
import os
from pathlib import Path

from serverless_dnn.runtime.errors import InvalidArgumentError, NotFoundError
from serverless_dnn.runtime.repository.configuration import AllVersions, ModelConfig
from serverless_dnn.runtime.saved_model.model_folder import SAVED_MODEL_FILE, is_version

_log = logging.getLogger(__name__)
_SHOWN_NAMES = 8


def find_models(base_path: Path, model_name: str | None = None) -> list[ModelConfig]:
    """The models below a folder.

    Args:
        base_path: Where the model archive was unpacked.
        model_name: The name of a single model; by default models are named after their folders.

    Returns:
        The models with all their versions, sorted by name.

    Raises:
        NotFoundError: There is none, or no single one to give the name to.
        InvalidArgumentError: Two folders would have the same name.
    """
    folders = _model_folders(base_path)
    if not folders:
        raise NotFoundError(
            f"no SavedModel bundles found! expected <version>/{SAVED_MODEL_FILE} or <model>/<version>/"
            f"{SAVED_MODEL_FILE} with a numeric version below {base_path}{_hint(base_path)}"
        )
    if model_name is not None and len(folders) == 1:
        return [ModelConfig(model_name, folders[0], AllVersions())]
    found: dict[str, Path] = {}
    for folder in folders:
        other = found.setdefault(folder.name, folder)
        if other is not folder:
            raise InvalidArgumentError(f"two models are called {folder.name}: {other} and {folder}: rename one of them")
    if model_name is not None:
        if model_name not in found:
            raise NotFoundError(f"there is no model {model_name} below {base_path}, but: {', '.join(sorted(found))}")
        found = {model_name: found[model_name]}
    return [ModelConfig(name, folder, AllVersions()) for name, folder in sorted(found.items())]


def _model_folders(base_path: Path) -> list[Path]:
    """The folders that hold version folders."""
    try:
        next(base_path.iterdir(), None)
    except OSError as error:
        raise NotFoundError(f"cannot read the model folder {base_path}: {error.strerror}") from None
    found: set[Path] = set()
    visited: set[str] = set()
    for folder, subfolders, files in os.walk(base_path.absolute(), onerror=_unreadable, followlinks=True):
        if (real := os.path.realpath(folder)) in visited:
            # A link that leads back.
            subfolders.clear()
            continue
        visited.add(real)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        path = Path(folder)
        if SAVED_MODEL_FILE in files and is_version(path.name):
            found.add(path.parent)
            # A SavedModel's own folders hold no other models.
            subfolders.clear()
    return sorted(found)


def _unreadable(error: OSError) -> None:
    _log.warning("ignoring an unreadable folder next to the models", extra={"error": str(error)})


def _hint(base_path: Path) -> str:
    if (base_path / SAVED_MODEL_FILE).is_file():
        return f"; {SAVED_MODEL_FILE} lies there without a version folder: put it into {base_path.name}/1/"
    names = sorted(entry.name for entry in base_path.iterdir())
    return f", which holds {', '.join(names[:_SHOWN_NAMES]) or 'nothing'}"
