"""Models on disk in TensorFlow Serving's layout.

``<base path>/<version>/saved_model.pb`` is one model; a folder of such folders holds several. Version folders are named
by int64 numbers; anything else beside them is ignored (tensorflow/serving, g3doc/serving_config.md).
"""

import logging
import os
from pathlib import Path

from serverless_dnn.runtime.errors import NotFoundError

SAVED_MODEL_FILE = "saved_model.pb"
_MAX_VERSION = (1 << 63) - 1
_log = logging.getLogger(__name__)


def is_version(text: str) -> bool:
    """Whether a text is a version's number: digits, within int64.

    Args:
        text: A folder's name, or a part of a path.

    Returns:
        False for anything else, of any length.
    """
    return text.isascii() and text.isdigit() and len(text.lstrip("0")) <= 19 and int(text) <= _MAX_VERSION


def list_versions(model_folder: Path) -> dict[int, Path]:
    """The version folders of a model.

    A folder without ``saved_model.pb`` is none yet: it may be about to be copied there.

    Args:
        model_folder: The folder that holds them.

    Returns:
        The folders by version, newest first. Of ``7`` and ``007`` the shorter counts.

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
    """Whether a folder holds ``saved_model.pb``, as far as it can be read.

    Args:
        version_folder: The folder.
    """
    try:
        return (version_folder / SAVED_MODEL_FILE).is_file()
    except OSError:
        return False


def fingerprint(version_folder: Path) -> tuple[object, ...]:
    """Changes when a version's files are copied further, or anew, or can be read again.

    Args:
        version_folder: The folder.

    Returns:
        Name, time and size of every file.
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
    """The size of a version's files together.

    Args:
        version_folder: The folder.

    Returns:
        Bytes; files that cannot be seen do not count.
    """
    return sum(entry[3] for entry in fingerprint(version_folder) if isinstance(entry, tuple))


def discover_models(base_path: Path, model_name: str | None = None) -> dict[str, Path]:
    """The models at a base path: itself if it holds versions, else the folders in it that do.

    Args:
        base_path: A model's folder, or a folder of models.
        model_name: The name of the one model; without it folders give their names.

    Returns:
        Model folders by name, sorted.

    Raises:
        NotFoundError: There is no SavedModel, or several and one name for them; says what was looked for.
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
        # Such as lost+found on a volume of its own.
        _log.info("a folder beside the models is passed over", extra={"error": str(error)})
        return {}
