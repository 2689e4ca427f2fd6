"""Compiled models kept on disk between starts: found by what they were made from, checked before they are used.

OpenVINO writes and reads the compiled model itself; it does notice a file that is not one, but says nothing, and does
not notice damaged weights. So a cache entry is sealed with its size and a digest of its ends.
"""

import hashlib
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path

_log = logging.getLogger(__name__)
_SEAL = "seal.json"
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
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            _log.warning("no compiled-model cache: cannot write", extra={"folder": str(folder), "error": str(error)})
            return None
        cache = cls(folder)
        if cache._entries() and not cache.is_sealed():
            _log.warning("the compiled model in the cache is damaged: compiling anew", extra={"folder": str(folder)})
            for path in cache._entries():
                path.unlink()
        return cache

    def is_sealed(self) -> bool:
        """Whether a compiled model lies here, as it was sealed."""
        try:
            sealed = json.loads((self.folder / _SEAL).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return bool(sealed) and sealed == self._digests()

    def seal(self) -> None:
        """Note what lies here as whole; a cache that cannot be written is only slower the next time."""
        aside = self.folder / f"{_SEAL}.{os.getpid()}"
        try:
            aside.write_text(json.dumps(self._digests()), encoding="utf-8")
            aside.rename(self.folder / _SEAL)
        except OSError as error:
            _log.warning("cannot seal the compiled model", extra={"folder": str(self.folder), "error": str(error)})

    def _entries(self) -> list[Path]:
        return sorted(self.folder.glob("*.blob"))

    def _digests(self) -> dict[str, str]:
        return {path.name: _digest(path) for path in self._entries()}


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
