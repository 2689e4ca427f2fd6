"""Files that are written whole or not at all."""

from pathlib import Path

from serverless_dnn.bench.errors import RunFolderError


def replace_file(path: Path, text: str) -> None:
    """Write a text aside, then give it its name.

    Args:
        path: The file.
        text: Its content.

    Raises:
        OSError: It cannot be written.
    """
    aside = path.with_name(f".{path.name}.partial")
    aside.write_text(text, encoding="utf-8")
    aside.rename(path)


def write_file(path: Path, text: str) -> Path:
    """Write a file of a run's folder.

    Args:
        path: The file.
        text: Its content.

    Returns:
        The file.

    Raises:
        RunFolderError: It cannot be written.
    """
    try:
        replace_file(path, text)
    except OSError as error:
        raise RunFolderError(f"cannot write {path}: {error.strerror or error}") from None
    return path
