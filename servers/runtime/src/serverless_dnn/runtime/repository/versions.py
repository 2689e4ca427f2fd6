"""What is known of a model's versions: their states, why one could not be loaded, and whether to try it again."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from threading import RLock

from serverless_dnn.runtime.errors import ServingError
from serverless_dnn.runtime.saved_model.model_folder import fingerprint


class State(IntEnum):
    """A version's state; numbers are those of TensorFlow Serving's ModelVersionStatus."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass(frozen=True)
class VersionStatus:
    """What is known of a version.

    Attributes:
        version: Its number.
        state: Its state.
        error: Why it could not be loaded.
        failures: How often loading these files failed.
        tried: Stands for the files that failed, and where they lie.
    """

    version: int
    state: State
    error: ServingError | None = None
    failures: int = 0
    tried: tuple[object, ...] = ()


class VersionStates:
    """The states of all versions of all models; any thread may ask."""

    def __init__(self) -> None:
        # A version's memory may be given back, and told here, in the middle of anything.
        self._lock = RLock()
        self._states: dict[str, dict[int, VersionStatus]] = {}

    def of(self, model: str) -> list[VersionStatus]:
        """What is known of a model's versions, newest first; empty for a model that never was.

        Args:
            model: Its name.
        """
        with self._lock:
            return sorted(self._states.get(model, {}).values(), key=lambda status: -status.version)

    def get(self, model: str, version: int) -> VersionStatus | None:
        """What is known of a version; ``None`` when nothing is."""
        with self._lock:
            return self._states.get(model, {}).get(version)

    def set(self, model: str, version: int, state: State) -> None:
        """Note a version's state."""
        self.put(model, version, VersionStatus(version, state))

    def put(self, model: str, version: int, status: VersionStatus | None) -> None:
        """Note what is known of a version; ``None`` forgets it."""
        with self._lock:
            if status is not None:
                self._states.setdefault(model, {})[version] = status
                return
            states = self._states.get(model, {})
            states.pop(version, None)
            if not states:
                self._states.pop(model, None)

    def unloaded(self, model: str, version: int) -> None:
        """Note that a version's memory is given back, unless the version has come back meanwhile."""
        with self._lock:
            status = self._states.get(model, {}).get(version)
            if status is not None and status.state is State.UNLOADING:
                self._states[model][version] = replace(status, state=State.END)

    def failed(self, model: str, version: int, folder: Path, before: VersionStatus | None, error: ServingError) -> None:
        """Note that a version could not be loaded.

        Args:
            model: The model.
            version: The version.
            folder: Its folder.
            before: What was known before loading began.
            error: Why.
        """
        # Its traceback would keep what was loaded meanwhile.
        error = error.with_traceback(None)
        error.__cause__ = error.__context__ = None
        tried = _tried(folder)
        failures = 1 + (before.failures if before is not None and before.tried == tried else 0)
        self.put(model, version, VersionStatus(version, State.END, error, failures, tried))

    def may_try(self, model: str, version: int, folder: Path, max_retries: int) -> bool:
        """Whether a version may be loaded: not when these very files failed too often.

        Args:
            model: The model.
            version: The version.
            folder: Its folder.
            max_retries: How often the same files are tried again.
        """
        known = self.get(model, version)
        if known is None or known.error is None or known.failures <= max_retries:
            return True
        return known.tried != _tried(folder)

    def forget_failures(self, model: str, on_disk: Iterable[int]) -> None:
        """Forget versions that never were loaded and are gone from the disk.

        Args:
            model: The model.
            on_disk: The versions that are there.
        """
        for status in self.of(model):
            if status.error is not None and status.version not in on_disk:
                self.put(model, status.version, None)


def _tried(folder: Path) -> tuple[object, ...]:
    return (str(folder), *fingerprint(folder))
