"""Pack SavedModels, and the code around them, into the archive that SageMaker unpacks into ``/opt/ml/model``.

The archive is ``<model>/<version>/saved_model.pb`` with what lies beside it, and ``code/``, as the TensorFlow Serving
container of AWS documents it (https://github.com/aws/sagemaker-tensorflow-serving-container). The same files make the
same bytes, so that an archive that S3 has already need not be uploaded again.
"""

import gzip
import hashlib
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from serverless_dnn.runtime.errors import DataLossError, InvalidArgumentError, NotFoundError
from serverless_dnn.runtime.saved_model.model_folder import (
    SAVED_MODEL_FILE,
    discover_models,
    is_version,
    list_versions,
)

ARCHIVE_NAME = "model.tar.gz"
CODE_FOLDER = "code"
# Without it the container takes no notice of the folder.
_CODE_FILE = "inference.py"
# How SageMaker's server calls a model whose versions lie in /opt/ml/model itself.
_NAME_AT_THE_ROOT = "model"
# Float weights shrink to 93 % of their size at level 1, and to 92 % at level 9, which takes longer.
_COMPRESSION_LEVEL = 1
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class ArchiveFile:
    """A file to pack.

    Attributes:
        name: Its path in the archive.
        path: Where it is.
        size_bytes: Its size.
    """

    name: str
    path: Path
    size_bytes: int


@dataclass(frozen=True)
class Archive:
    """A packed archive.

    Attributes:
        path: Where it is.
        size_bytes: Its size.
        sha256: The digest of its bytes, in hexadecimal.
        models: The names of the models in it, as the server calls them.
    """

    path: Path
    size_bytes: int
    sha256: str
    models: tuple[str, ...]


def list_files(model: Path, code: Path | None = None) -> list[ArchiveFile]:
    """The files that make up an archive.

    Args:
        model: A model's folder, which holds version folders, or a folder of models.
        code: The folder of ``inference.py``; by default the model folder's own ``code``, if it holds that.

    Returns:
        Every version of every model, and the code, sorted by name. Hidden files and ``__pycache__`` are left out.

    Raises:
        NotFoundError: There is no SavedModel, or no code where it was said to be.
        InvalidArgumentError: A link leads out of the folders, or something is neither a file nor a folder.
    """
    models = {name: folder for name, folder in discover_models(model).items() if name != CODE_FOLDER}
    if not models:
        raise InvalidArgumentError(f"the model's folder must not be called {CODE_FOLDER}: code/ is for inference.py")
    roots = [
        (f"{name}/{folder.name}", folder) for name, each in models.items() for folder in list_versions(each).values()
    ]
    if code is None and (model / CODE_FOLDER / _CODE_FILE).is_file():
        code = model / CODE_FOLDER
    elif code is not None and not (code / _CODE_FILE).is_file():
        raise NotFoundError(f"no {_CODE_FILE} in {code}: expected it directly in that folder")
    found = [file for prefix, folder in roots for file in _walk(folder, prefix, model)]
    if code is not None:
        found.extend(_walk(code, CODE_FOLDER, code))
    return sorted(found, key=lambda file: file.name)


def pack(files: Sequence[ArchiveFile], target: Path, on_bytes: Callable[[int], object]) -> Archive:
    """Write an archive: aside first, so that an interrupted run leaves nothing that looks complete.

    Args:
        files: What to pack.
        target: The archive to write.
        on_bytes: Called with the number of bytes packed since the last call.

    Returns:
        The archive.

    Raises:
        DataLossError: A file could not be read, or became shorter meanwhile.
    """
    partial = target.with_name(f"{target.name}.partial")
    try:
        with (
            partial.open("wb") as raw,
            # Neither a time nor a name: they would make the same files other bytes.
            gzip.GzipFile(filename="", mode="wb", compresslevel=_COMPRESSION_LEVEL, fileobj=raw, mtime=0) as compressed,
            tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for file in files:
                member = tarfile.TarInfo(file.name)
                member.size = file.size_bytes
                # Readable by whichever user the container runs as.
                member.mode = 0o644
                with file.path.open("rb") as content:
                    archive.addfile(member, _Counted(content, on_bytes))  # type: ignore[arg-type] # read() is all it calls
        partial.replace(target)
    except OSError as error:
        raise DataLossError(f"cannot pack {target.name}: {error.strerror or error}: did a file change?") from error
    finally:
        partial.unlink(missing_ok=True)
    models = {file.name.split("/")[0] for file in files} - {CODE_FOLDER}
    return _described(target, models)


def open_archive(path: Path) -> Archive:
    """Check an archive that was packed elsewhere.

    Args:
        path: A ``.tar.gz`` file.

    Returns:
        The archive, as it is.

    Raises:
        InvalidArgumentError: It is no such file, a name in it leads elsewhere, or it holds no SavedModel.
    """
    models: set[str] = set()
    try:
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                inner = PurePosixPath(member.name)
                if any(
                    PurePosixPath(each).is_absolute() or ".." in PurePosixPath(each).parts
                    for each in (member.name, member.linkname)
                ):
                    raise InvalidArgumentError(f"{path} holds {member.name!r}, which leads out of the archive")
                if member.isfile() and inner.name == SAVED_MODEL_FILE and is_version(inner.parent.name):
                    models.add(inner.parent.parent.name or _NAME_AT_THE_ROOT)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise InvalidArgumentError(f"{path} is not a .tar.gz archive that can be read: {error}") from None
    if not models:
        raise InvalidArgumentError(
            f"no SavedModel in {path}: expected <model>/<version>/{SAVED_MODEL_FILE} with a numeric version"
        )
    return _described(path, models)


class _Counted:
    """A file that tells how much of it was read."""

    def __init__(self, file: BinaryIO, on_bytes: Callable[[int], object]) -> None:
        self._file, self._on_bytes = file, on_bytes

    def read(self, size: int) -> bytes:
        content = self._file.read(size)
        self._on_bytes(len(content))
        return content


def _described(path: Path, models: set[str]) -> Archive:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return Archive(path, path.stat().st_size, digest.hexdigest(), tuple(sorted(models)))


def _walk(path: Path, name: str, root: Path, above: tuple[Path, ...] = ()) -> Iterator[ArchiveFile]:
    """The files below a folder, which must stay below the root wherever links lead."""
    real = path.resolve()
    if not real.is_relative_to(root.resolve()):
        raise InvalidArgumentError(f"{path} leads to {real}, out of {root}: replace the link by what it leads to")
    if real in above:
        raise InvalidArgumentError(f"{path} leads back to {real}: remove the link")
    if path.is_dir():
        for entry in sorted(path.iterdir()):
            if not entry.name.startswith(".") and entry.name != "__pycache__":
                yield from _walk(entry, f"{name}/{entry.name}", root, (*above, real))
    elif path.is_file():
        yield ArchiveFile(name, path, path.stat().st_size)
    else:
        raise InvalidArgumentError(f"{path} is neither a file nor a folder: remove it")
