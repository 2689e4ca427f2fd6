"""Compiled models kept on disk between starts: found by what they were made from, checked before they are used.

OpenVINO has a cache of its own, which knows a model by its path, its time and its folder's size as the file system
reports them: in a container built on another file system it finds nothing. Here a model is known by its content. An
entry is sealed with its size and a digest of its ends, for OpenVINO does not notice damaged weights.
"""

import hashlib
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path

_log = logging.getLogger(__name__)
_SEAL, _BLOB = "seal.json", "model.blob"
# Of larger files the ends and the size stand for the whole: hashing 400 MB would take longer than loading them.
_END_BYTES = 4 << 20


@dataclass(frozen=True)
class CompiledCache:
    """The place of one compiled model.

    Attributes:
        folder: Its own folder in the cache.
    """

    folder: Path

    @classmethod
    def open(cls, root: Path, version_folder: Path, built_with: str) -> "CompiledCache | None":
        """Find the place for a model, and throw away what lies there damaged.

        Args:
            root: The cache.
            version_folder: The SavedModel.
            built_with: What else the compiled model depends on: engine, version, options.

        Returns:
            The place; ``None``, with a warning in the log, when the cache cannot be written.
        """
        key = hashlib.sha256(f"{built_with}\n{_isa()}\n".encode())
        # The index holds a checksum of every tensor, so the weights themselves need not be read.
        for name in ("saved_model.pb", "variables/variables.index"):
            key.update(_digest(version_folder / name).encode())
        folder = root / key.hexdigest()[:32]
        others = [path for path in root.glob(f"*/{_SEAL}") if path.parent != folder]
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            _log.warning("no compiled-model cache: cannot write", extra={"folder": str(folder), "error": str(error)})
            return None
        cache = cls(folder)
        if cache.blob.exists() and not cache.is_sealed():
            _log.warning("the compiled model in the cache is damaged: compiling anew", extra={"folder": str(folder)})
        elif others and not cache.blob.exists():
            _log.warning(
                "the cache holds no compiled model for this model, engine version, precision and CPU: compiling",
                extra={"folder": str(root), "others": len(others)},
            )
        return cache

    @property
    def blob(self) -> Path:
        """Where the compiled model lies."""
        return self.folder / _BLOB

    def is_sealed(self) -> bool:
        """Whether a compiled model lies here, as it was sealed."""
        try:
            sealed = json.loads((self.folder / _SEAL).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return bool(sealed) and sealed == _digest(self.blob)

    def store(self, compiled: bytes | memoryview) -> bool:
        """Keep a compiled model; written aside and renamed, so that a reader sees all of it or none.

        Args:
            compiled: Its bytes.

        Returns:
            Whether it is kept: a cache that cannot be written makes the next start slower, and no more than that.
        """
        aside = self.folder / f"{_BLOB}.{os.getpid()}"
        try:
            for path, content in ((self.blob, compiled), (self.folder / _SEAL, None)):
                aside.write_bytes(json.dumps(_digest(self.blob)).encode() if content is None else content)
                aside.replace(path)
        except OSError as error:
            aside.unlink(missing_ok=True)
            _log.warning("cannot keep the compiled model", extra={"folder": str(self.folder), "error": str(error)})
            return False
        return True


def _digest(path: Path) -> str:
    """Of a file's size and ends; empty for a file that is not there."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            digest = hashlib.sha256(f"{size}\n".encode() + file.read(_END_BYTES))
            if size > _END_BYTES:
                file.seek(max(_END_BYTES, size - _END_BYTES))
                digest.update(file.read())
            return digest.hexdigest()
    except FileNotFoundError:
        return ""


def _isa() -> str:
    """The CPU's instructions: a model compiled for others must not run here."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(("flags", "Features"))), "")
