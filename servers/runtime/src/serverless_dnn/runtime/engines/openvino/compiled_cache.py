"""An on-disk cache of compiled models: keyed by what they were made from, and verified before use.

OpenVINO's own cache identifies a model by its path, its time and its folder's size as the file system reports them, so
in a container built on another file system it finds nothing. Here a model is identified by its content. Each entry has
a seal with the digest of every byte of the model, the result of the graph's analysis, the result of comparing it with
TensorFlow, and a digest of the compiled model, because OpenVINO does not detect damaged weights.
"""

import hashlib
import json
import logging
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

_log = logging.getLogger(__name__)
_SEAL, _BLOB = "seal.json", "model.blob"
# For larger files an entry's name covers only the ends and the size. Its seal covers every byte, but they are reread
# only if the file's time has changed: hashing 400 MB would take longer than loading them.
_END_BYTES = 4 << 20
_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class CompiledCache:
    """The cache slot of one compiled model.

    Attributes:
        folder: Its folder in the cache.
        version_folder: The SavedModel.
    """

    folder: Path
    version_folder: Path

    @classmethod
    def open(cls, root: Path, version_folder: Path, built_with: str) -> "CompiledCache | None":
        """Find the slot for a model, and discard a damaged entry.

        Args:
            root: The cache.
            version_folder: The SavedModel.
            built_with: What else the compiled model depends on: engine, version, options.

        Returns:
            The slot; ``None``, with a warning in the log, if the cache is not writable.
        """
        key = hashlib.sha256(f"{built_with}\n{_isa()}\n".encode())
        for path in _model_files(version_folder):
            # The index holds a checksum of every tensor, so the weights themselves need not be read.
            of_file = str(path.stat().st_size) if _is_data(path) else _digest_of_ends(path)
            key.update(f"{path.relative_to(version_folder)} {of_file}\n".encode())
        folder = root / key.hexdigest()[:32]
        others = [path for path in root.glob(f"*/{_SEAL}") if path.parent != folder]
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            _log.warning("no compiled-model cache: cannot write", extra={"folder": str(folder), "error": str(error)})
            return None
        cache = cls(folder, version_folder)
        if others and not (cache.folder / _SEAL).exists() and not cache.blob.exists():
            _log.warning(
                "the cache holds no compiled model for this model, engine version, precision and CPU: compiling",
                extra={"folder": str(root), "others": len(others)},
            )
        return cache

    @property
    def blob(self) -> Path:
        """The path of the compiled model."""
        return self.folder / _BLOB

    def record(self) -> dict[str, Any] | None:
        """The record stored with the compiled model.

        Returns:
            The record; ``None`` if there is no entry, or if it is damaged or does not match the model's bytes, which is
            logged.
        """
        try:
            seal = json.loads((self.folder / _SEAL).read_text(encoding="utf-8"))
            record, files, blob = dict(seal["record"]), dict(seal["files"]), str(seal["blob"])
        except FileNotFoundError:
            record, files, blob = {}, {}, ""
            if not self.blob.exists():
                return None
        except (OSError, ValueError, TypeError, KeyError):
            record, files, blob = {}, {}, "unreadable"
        if blob != _digest_of_ends(self.blob) or not record:
            _log.warning(
                "the compiled model in the cache is damaged: compiling anew", extra={"folder": str(self.folder)}
            )
            return None
        if not self._is_of(files):
            _log.warning(
                "the compiled model in the cache is of other bytes than the model's: compiling anew",
                extra={"folder": str(self.folder), "model": str(self.version_folder)},
            )
            return None
        return record

    def _is_of(self, files: Mapping[str, Any]) -> bool:
        """Whether the model's files match the sealed bytes."""
        present = {str(path.relative_to(self.version_folder)): path for path in _model_files(self.version_folder)}
        return present.keys() == files.keys() and all(
            _is_unchanged(path, files[name]) for name, path in present.items()
        )

    def amend(self, **noted: object) -> None:
        """Add to the record stored with the compiled model.

        Args:
            **noted: The values to add, as JSON types.
        """
        path = self.folder / _SEAL
        seal = json.loads(path.read_text(encoding="utf-8"))
        seal["record"].update(noted)
        self._write_aside(path, json.dumps(seal, indent=1).encode())

    def store(self, compiled: bytes | memoryview, record: Mapping[str, Any]) -> bool:
        """Store a compiled model; written under a temporary name and renamed, so that readers see all of it or nothing.

        Args:
            compiled: Its bytes; empty for a model that was refused.
            record: The record to store with it, as JSON types.

        Returns:
            Whether it was stored; an unwritable cache only makes the next start slower.
        """
        try:
            if len(compiled):
                self._write_aside(self.blob, compiled)
            else:
                self.blob.unlink(missing_ok=True)
            files = {str(p.relative_to(self.version_folder)): _sealed(p) for p in _model_files(self.version_folder)}
            seal = {"record": dict(record), "blob": _digest_of_ends(self.blob), "files": files}
            self._write_aside(self.folder / _SEAL, json.dumps(seal, indent=1).encode())
        except OSError as error:
            _log.warning("cannot keep the compiled model", extra={"folder": str(self.folder), "error": str(error)})
            return False
        return True

    def _write_aside(self, path: Path, content: bytes | memoryview) -> None:
        aside = self.folder / f"{path.name}.{os.getpid()}"
        try:
            aside.write_bytes(content)
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)


@dataclass(frozen=True)
class CacheEntry:
    """A compiled model's slot and its contents.

    Attributes:
        place: The slot.
        is_filled: Whether it holds the compiled model.
        record: The record stored with it, or to be stored.
    """

    place: CompiledCache
    is_filled: bool
    record: Mapping[str, Any]


def _model_files(version_folder: Path) -> list[Path]:
    """The files an engine reads from a SavedModel: its graph, and the index and data of its variables."""
    found = [version_folder / "saved_model.pb", *version_folder.glob("variables/variables.*")]
    return sorted(path for path in found if path.is_file())


def _is_data(path: Path) -> bool:
    return path.name.startswith("variables.data")


def _sealed(path: Path) -> dict[str, Any]:
    status = path.stat()
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": _digest(path)}


def _is_unchanged(path: Path, sealed: Mapping[str, Any]) -> bool:
    status = path.stat()
    if status.st_size != sealed.get("size"):
        return False
    is_large = status.st_size > _END_BYTES
    if is_large and status.st_mtime_ns == sealed.get("mtime_ns"):
        return True
    return _digest(path) == sealed.get("sha256")


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_READ_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def _digest_of_ends(path: Path) -> str:
    """A checksum of a file's size and ends; empty if the file is missing.

    It is to find damage, not an attacker, who could write the seal as well: a CRC takes a quarter of SHA-256's time,
    which every cold start pays.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            checksum = _crc32(file, _END_BYTES)
            if size > _END_BYTES:
                file.seek(max(_END_BYTES, size - _END_BYTES))
                checksum = _crc32(file, _END_BYTES, checksum)
            return f"{size} {checksum:08x}"
    except FileNotFoundError:
        return ""


def _crc32(file: BinaryIO, size_bytes: int, checksum: int = 0) -> int:
    while size_bytes and (piece := file.read(min(_READ_BYTES, size_bytes))):
        checksum = zlib.crc32(piece, checksum)
        size_bytes -= len(piece)
    return checksum


def _isa() -> str:
    """The CPU's instruction set: a model compiled for another must not run here."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(("flags", "Features"))), "")
