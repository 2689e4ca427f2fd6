"""The models a server holds: loads the versions their policies ask for, and replaces them without dropping a call.

A version that goes is only taken out of the table of those that are found. Calls that found it before keep it, and with
the last of them the engine gives its memory back.
"""

import logging
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import IntEnum
from pathlib import Path
from types import MappingProxyType

from serverless_dnn.runtime.errors import (
    FailedPreconditionError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    ServingError,
)
from serverless_dnn.runtime.inference.servable import Servable
from serverless_dnn.runtime.repository.configuration import ModelConfig
from serverless_dnn.runtime.saved_model.model_folder import list_versions

_log = logging.getLogger(__name__)

# Makes a servable of a model's name, version and folder.
Loader = Callable[[str, int, Path], Servable]


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
        tried: Stands for the files that failed.
    """

    version: int
    state: State
    error: ServingError | None = None
    failures: int = 0
    tried: tuple[int, ...] = ()


class ModelRepository:
    """The models a server holds.

    Args:
        load: Makes a servable, warmed up.
        max_load_retries: How often a version that failed to load is tried again, once a refresh.
        labels_may_wait: Whether a label may stand for a version that is not there (yet).
    """

    def __init__(self, load: Loader, *, max_load_retries: int = 5, labels_may_wait: bool = False) -> None:
        self._load = load
        self._max_load_retries = max_load_retries
        self._labels_may_wait = labels_may_wait
        self._changing = threading.RLock()
        self._listeners: list[Callable[[], object]] = []
        self._configs: Mapping[str, ModelConfig] = {}
        self._status: dict[str, dict[int, VersionStatus]] = {}
        # Replaced as wholes, never changed, so that readers need no lock.
        self._servables: Mapping[str, Mapping[int, Servable]] = MappingProxyType({})
        self._labels: Mapping[str, Mapping[str, int]] = MappingProxyType({})

    def configure(self, configs: Iterable[ModelConfig]) -> None:
        """Hold these models and no others; or, when one of them cannot be held, those of before.

        Args:
            configs: The models.

        Raises:
            NotFoundError: A model has no version to serve.
            FailedPreconditionError: A label stands for a version that is not there.
            ServingError: A version cannot be loaded; the first such error.
        """
        with self._changing:
            before, self._configs = self._configs, {config.name: config for config in configs}
            try:
                for config in self._configs.values():
                    self._load_wanted(config)
                    self._check(config)
            except ServingError:
                self._configs = before
                self._unload_unwanted()
                raise
            self._unload_unwanted()
            self._labels = MappingProxyType({name: dict(config.labels) for name, config in self._configs.items()})

    def refresh(self) -> None:
        """Look at the disk and serve what the policies now ask for: load first, unload then.

        A version that cannot be loaded is logged and told by ``status``; it never takes the place of one that can.
        """
        with self._changing:
            for config in self._configs.values():
                self._load_wanted(config)
            self._unload_unwanted()

    def subscribe(self, listener: Callable[[], object]) -> None:
        """Be told after the served models changed.

        Args:
            listener: Called in the thread that changed them; must return at once.
        """
        self._listeners.append(listener)

    def all(self) -> list[Servable]:
        """Every servable, by name, newest version first."""
        return [servable for versions in self._servables.values() for servable in versions.values()]

    def get(self, name: str, version: int | None = None, label: str | None = None) -> Servable:
        """The servable a request is for.

        Args:
            name: The model's name.
            version: Its version; ``None`` takes the newest.
            label: A label that stands for a version.

        Returns:
            The servable.

        Raises:
            InvalidArgumentError: No name, or an unknown label.
            NotFoundError: No such model or version.
        """
        if not name:
            raise InvalidArgumentError("ModelSpec has no name specified.")
        if label:
            version = self._labels.get(name, {}).get(label)
            if version is None:
                raise InvalidArgumentError(f"Unrecognized servable version label: {label}")
        versions = self._servables.get(name, {})
        if version is None and versions:
            return next(iter(versions.values()))
        if version is not None and version in versions:
            return versions[version]
        wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
        raise NotFoundError(f"Servable not found for request: {wanted}")

    def status(self, name: str) -> list[VersionStatus]:
        """What is known of a model's versions, newest first; empty for a model that never was.

        Args:
            name: The model.
        """
        return sorted(self._status.get(name, {}).copy().values(), key=lambda status: -status.version)

    def close(self) -> None:
        """Hold no model any more."""
        self.configure(())

    def _load_wanted(self, config: ModelConfig) -> None:
        folders = _folders(config)
        for version in sorted(config.policy.choose(folders or {}), reverse=True):
            folder = (folders or {})[version]
            held = self._servables.get(config.name, {}).get(version)
            if (held is None or held.folder != folder) and self._may_try(config.name, version, folder):
                self._load_version(config.name, version, folder)

    def _unload_unwanted(self) -> None:
        for name, held in self._servables.items():
            config = self._configs.get(name)
            folders = {} if config is None else _folders(config)
            if folders is None:
                continue
            wanted = set() if config is None else config.policy.choose(folders)
            unwanted = set(held) - wanted
            if unwanted and (set(held) & wanted or not wanted):
                self._unload(name, unwanted)

    def _check(self, config: ModelConfig) -> None:
        if config.name not in self._servables:
            for status in self.status(config.name):
                if status.error is not None:
                    raise status.error
            raise NotFoundError(
                f"model {config.name} has no version to serve: {config.base_path} holds no folder named by a number "
                "that its version policy asks for"
            )
        for label, version in config.labels.items():
            if version not in self._servables[config.name] and not self._labels_may_wait:
                raise FailedPreconditionError(
                    f"Request to assign label to version {version} of model {config.name}, which is not currently "
                    f"available for inference: label {label}"
                )

    def _may_try(self, name: str, version: int, folder: Path) -> bool:
        known = self._status.get(name, {}).get(version)
        if known is None or known.error is None or known.failures <= self._max_load_retries:
            return True
        return known.tried != _fingerprint(folder)

    def _load_version(self, name: str, version: int, folder: Path) -> None:
        known = self._status.get(name, {}).get(version)
        tried = _fingerprint(folder)
        failures = 1 + (known.failures if known is not None and known.tried == tried else 0)
        self._set_status(name, VersionStatus(version, State.LOADING))
        error: ServingError
        try:
            servable = self._load(name, version, folder)
        except ServingError as refused:
            error = refused
        except Exception:  # noqa: BLE001 - whatever it was, the other models must go on being served
            _log.exception("loading a model failed through a fault of this server")
            error = InternalError(f"cannot load {name}: the server's log has the details")
        else:
            versions = dict(self._servables.get(name, {}))
            replaced = versions.get(version)
            self._serve(name, {**versions, version: servable})
            self._set_status(name, VersionStatus(version, State.AVAILABLE))
            if replaced is not None:
                replaced.runner.retire()
            extra = {"model": name, "model_version": version, "engine": asdict(servable.engine)}
            _log.info("model loaded", extra=extra)
            return
        self._set_status(name, VersionStatus(version, State.END, error, failures, tried))
        _log.warning("cannot load a model", extra={"model": name, "model_version": version, "error": str(error)})

    def _unload(self, name: str, versions: set[int]) -> None:
        held = self._servables[name]
        self._serve(name, {version: servable for version, servable in held.items() if version not in versions})
        for version in versions:
            self._set_status(name, VersionStatus(version, State.UNLOADING))
            weakref.finalize(held[version], self._unloaded, name, version).atexit = False
            held[version].runner.retire()

    def _unloaded(self, name: str, version: int) -> None:
        # The version may have come back meanwhile.
        if self._status[name][version].state is State.UNLOADING:
            self._set_status(name, VersionStatus(version, State.END))
        _log.info("model unloaded", extra={"model": name, "model_version": version})

    def _serve(self, name: str, versions: Mapping[int, Servable]) -> None:
        newest_first = MappingProxyType(dict(sorted(versions.items(), reverse=True)))
        others = {other: held for other, held in self._servables.items() if other != name}
        table = {**others, **({name: newest_first} if versions else {})}
        self._servables = MappingProxyType(dict(sorted(table.items())))
        for listener in self._listeners:
            listener()

    def _set_status(self, name: str, status: VersionStatus) -> None:
        self._status.setdefault(name, {})[status.version] = status


def _folders(config: ModelConfig) -> dict[int, Path] | None:
    """The versions on disk; ``None`` while the disk is away, which is no reason to stop serving what is in memory."""
    try:
        return list_versions(config.base_path)
    except NotFoundError as error:
        _log.warning("cannot look for versions", extra={"model": config.name, "error": str(error)})
        return None


def _fingerprint(folder: Path) -> tuple[int, ...]:
    """Changes when a model is copied further, or anew."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return tuple(number for path in files for number in (path.stat().st_mtime_ns, path.stat().st_size))
