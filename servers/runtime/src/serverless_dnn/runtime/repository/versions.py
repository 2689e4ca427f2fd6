"""The status of a model's versions: their states, load errors, and whether to retry them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from threading import RLock

from serverless_dnn.runtime.errors import ServingError
from serverless_dnn.runtime.saved_model.model_folder import fingerprint


class State(IntEnum):
    """A version's state, with the numbers of TensorFlow Serving's ModelVersionStatus."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass(frozen=True)
class VersionStatus:
    """The status of a version.

    Attributes:
        version: Its number.
        state: Its state.
        error: Why it could not be loaded.
        failures: How many times loading these files failed.
        tried: Identifies the files that failed, and their folder.
    """

    version: int
    state: State
    error: ServingError | None = None
    failures: int = 0
    tried: tuple[object, ...] = ()


class VersionStates:
    """The states of all versions of all models; thread-safe."""

    def __init__(self) -> None:
        # Reentrant: a version may be garbage-collected, and reported here, in the middle of anything.
        self._lock = RLock()
        self._states: dict[str, dict[int, VersionStatus]] = {}

    def of(self, model: str) -> list[VersionStatus]:
        """The status of a model's versions, newest first; empty for an unknown model.

        Args:
            model: Its name.
        """
        with self._lock:
            return sorted(self._states.get(model, {}).values(), key=lambda status: -status.version)

    def get(self, model: str, version: int) -> VersionStatus | None:
        """The status of a version; ``None`` if it is unknown."""
        with self._lock:
            return self._states.get(model, {}).get(version)

    def set(self, model: str, version: int, state: State) -> None:
        """Set a version's state."""
        self.put(model, version, VersionStatus(version, state))

    def put(self, model: str, version: int, status: VersionStatus | None) -> None:
        """Set a version's status; ``None`` forgets it."""
        with self._lock:
            if status is not None:
                self._states.setdefault(model, {})[version] = status
                return
            states = self._states.get(model, {})
            states.pop(version, None)
            if not states:
                self._states.pop(model, None)

    def unloaded(self, model: str, version: int) -> None:
        """Note that a version's memory has been freed, unless the version has been loaded again meanwhile."""
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
            before: The status before loading began.
            error: The error.
        """
        # Its traceback would keep alive whatever had been loaded by then.
        error = error.with_traceback(None)
        error.__cause__ = error.__context__ = None
        tried = _tried(folder)
        failures = 1 + (before.failures if before is not None and before.tried == tried else 0)
        self.put(model, version, VersionStatus(version, State.END, error, failures, tried))

    def may_try(self, model: str, version: int, folder: Path, max_retries: int) -> bool:
        """Whether a version may be loaded: not if these very files have failed too often.

        Args:
            model: The model.
            version: The version.
            folder: Its folder.
            max_retries: How many times the same files are retried.
        """
        known = self.get(model, version)
        if known is None or known.error is None or known.failures <= max_retries:
            return True
        return known.tried != _tried(folder)

    def forget_failures(self, model: str, on_disk: Iterable[int]) -> None:
        """Forget versions that failed to load and are gone from the disk.

        Args:
            model: The model.
            on_disk: The versions that are there.
        """
        for status in self.of(model):
            if status.error is not None and status.version not in on_disk:
                self.put(model, status.version, None)


def _tried(folder: Path) -> tuple[object, ...]:
    return (str(folder), *fingerprint(folder))
