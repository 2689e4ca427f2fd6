"""Models on disk in TensorFlow Serving's layout.

``<base path>/<version>/saved_model.pb`` is one model; a folder of such folders holds several. Version folders are named
by int64 numbers; everything else next to them is ignored (tensorflow/serving, g3doc/serving_config.md).
"""

import logging
import os
from pathlib import Path

from serverless_dnn.runtime.errors import NotFoundError

SAVED_MODEL_FILE = "saved_model.pb"
_MAX_VERSION = (1 << 63) - 1
_log = logging.getLogger(__name__)


def is_version(text: str) -> bool:
    """Whether a text is a version number: digits, within int64.

    Args:
        text: A folder's name, or a part of a path.

    Returns:
        False for anything else, of any length.
    """
    return text.isascii() and text.isdigit() and len(text.lstrip("0")) <= 19 and int(text) <= _MAX_VERSION


def list_versions(model_folder: Path) -> dict[int, Path]:
    """The version folders of a model.

    A folder without ``saved_model.pb`` does not count yet: the file may still be on its way.

    Args:
        model_folder: The folder that holds them.

    Returns:
        The folders by version, newest first. The shorter of ``7`` and ``007`` wins.

    Raises:
        NotFoundError: The folder cannot be read.
    """
    try:
        names = [entry.name for entry in model_folder.iterdir() if is_version(entry.name)]
    except OSError as error:
        raise NotFoundError(f"cannot read the model folder {model_folder}: {error.strerror}") from None
    found = {int(name): model_folder / name for name in sorted(names, key=len, reverse=True)}
    return {version: found[version] for version in sorted(found, reverse=True) if holds_model(found[version])}


def holds_model(version_folder: Path) -> bool:
    """Whether a folder holds a visible ``saved_model.pb``.

    Args:
        version_folder: The folder.
    """
    try:
        return (version_folder / SAVED_MODEL_FILE).is_file()
    except OSError:
        return False


def fingerprint(version_folder: Path) -> tuple[object, ...]:
    """A fingerprint that changes when copying progresses, files are replaced, or they become readable.

    Args:
        version_folder: The folder.

    Returns:
        The name, modification time and size of every file.
    """
    seen: list[object] = []
    unreadable: list[object] = []
    for folder, folders, files in os.walk(version_folder, onerror=lambda error: unreadable.append(str(error))):
        folders.sort()
        for name in sorted(files):
            try:
                status = Path(folder, name).stat()
            except OSError as error:
                unreadable.append(str(error))
            else:
                seen.append((folder, name, status.st_mtime_ns, status.st_size))
    return (*seen, *unreadable)


def size_bytes(version_folder: Path) -> int:
    """The total size of a version's files.

    Args:
        version_folder: The folder.

    Returns:
        Bytes; inaccessible files do not count.
    """
    return sum(entry[3] for entry in fingerprint(version_folder) if isinstance(entry, tuple))


def discover_models(base_path: Path, model_name: str | None = None) -> dict[str, Path]:
    """The models at a base path: the folder itself if it holds versions, otherwise its subfolders that do.

    Args:
        base_path: A model's folder, or a folder of models.
        model_name: The name of a single model; by default models are named after their folders.

    Returns:
        Model folders by name, sorted.

    Raises:
        NotFoundError: There is no SavedModel, or several models but only one name; the message states what was
            expected.
    """
    if list_versions(base_path):
        return {model_name or base_path.resolve().name: base_path}
    models = {folder.name: folder for folder in sorted(base_path.iterdir()) if _versions_in(folder)}
    if model_name is not None and models:
        if model_name in models:
            return {model_name: models[model_name]}
        if len(models) == 1:
            return {model_name: next(iter(models.values()))}
    if not models or model_name is not None:
        raise NotFoundError(
            f"no SavedModel under {base_path}: expected <version>/{SAVED_MODEL_FILE} or <model>/<version>/"
            f"{SAVED_MODEL_FILE} with a numeric version"
            + (f"; there are the models {', '.join(models)}, none of them {model_name}" if models else "")
        )
    return models


def _versions_in(folder: Path) -> dict[int, Path]:
    try:
        return list_versions(folder) if folder.is_dir() else {}
    except (NotFoundError, OSError) as error:
        # For example lost+found on a dedicated volume.
        _log.info("ignoring an unreadable folder next to the models", extra={"error": str(error)})
        return {}
