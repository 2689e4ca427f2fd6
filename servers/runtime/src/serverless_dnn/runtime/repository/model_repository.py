"""The models a server holds: loads the versions their policies select, and swaps them without dropping a call.

A change is planned, loaded in the background, checked, and only then swapped in, all models and labels at once; a
change that fails leaves everything unchanged. A version being retired is only removed from the lookup table: calls that
already hold it keep it, and the engine frees its memory with the last of them.
"""

import logging
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from serverless_dnn.runtime.errors import (
    FailedPreconditionError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
    ServingError,
)
from serverless_dnn.runtime.inference.servable import Servable
from serverless_dnn.runtime.repository.configuration import ModelConfig
from serverless_dnn.runtime.repository.versions import State, VersionStates, VersionStatus
from serverless_dnn.runtime.saved_model.model_folder import list_versions

_log = logging.getLogger(__name__)

# Makes a servable from a model's name, version and folder.
Loader = Callable[[str, int, Path], Servable]
_Versions = Mapping[int, Servable]


@dataclass(frozen=True)
class _View:
    """What callers look up; replaced as a whole and never mutated, so that reads need no lock.

    Attributes:
        servables: By name, in sorted order, and by version, newest first.
        labels: Versions by name and label.
    """

    servables: Mapping[str, _Versions] = field(default_factory=dict)
    labels: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Planned:
    """The planned versions of a model.

    Attributes:
        versions: The versions.
        error: Why the newest requested version missing from them could not be loaded.
    """

    versions: _Versions
    error: ServingError | None = None


class ModelRepository:
    """The models a server holds.

    Args:
        load: Loads and warms up a servable.
        max_load_retries: How many times a version that failed to load is retried, once per refresh.
        labels_may_wait: Whether a label may refer to a version that is not (yet) available.
    """

    def __init__(self, load: Loader, *, max_load_retries: int = 5, labels_may_wait: bool = False) -> None:
        self._load = load
        self._max_load_retries = max_load_retries
        self._labels_may_wait = labels_may_wait
        self._changing = threading.RLock()
        self._listeners: list[Callable[[], object]] = []
        self._configs: Mapping[str, ModelConfig] = {}
        self._states = VersionStates()
        self._view = _View()

    def configure(self, configs: Iterable[ModelConfig]) -> None:
        """Serve exactly these models; if one of them cannot be served, keep the previous configuration.

        Args:
            configs: The models.

        Raises:
            NotFoundError: A model has no version to serve.
            FailedPreconditionError: A label refers to a version that is not available.
            ServingError: A version of a model that is new or has moved cannot be loaded.
        """
        wanted = {config.name: config for config in configs}
        with self._changing:
            loaded: dict[tuple[str, int], Servable] = {}
            known = {name: self._states.of(name) for name in {*wanted, *self._configs}}
            try:
                plan = {name: self._plan(config, loaded) for name, config in wanted.items()}
                for config in wanted.values():
                    self._check(config, plan[config.name])
            except ServingError:
                self._take_back(loaded, known)
                raise
            self._configs = wanted
            self._swap(plan)

    def refresh(self) -> None:
        """Rescan the disk and serve what the policies now select, loading before unloading.

        A version that cannot be loaded is logged and reported by ``status``; it never replaces one that can.
        """
        with self._changing:
            self._swap({name: self._plan(config, {}) for name, config in self._configs.items()})

    def subscribe(self, listener: Callable[[], object]) -> None:
        """Register a listener for changes to the served models.

        Args:
            listener: Called after a change, in the thread that made it; must return quickly.
        """
        self._listeners.append(listener)

    def all(self) -> list[Servable]:
        """Every servable, by name, newest version first."""
        return [servable for versions in self._view.servables.values() for servable in versions.values()]

    def get(self, name: str, version: int | None = None, label: str | None = None) -> Servable:
        """The servable for a request.

        Args:
            name: The model's name.
            version: Its version; ``None`` means the newest.
            label: A label that refers to a version.

        Returns:
            The servable.

        Raises:
            InvalidArgumentError: The name is empty, or the label is unknown.
            NotFoundError: There is no such model or version.
        """
        view = self._view
        if not name:
            raise InvalidArgumentError("ModelSpec has no name specified.")
        if label:
            version = view.labels.get(name, {}).get(label)
            if version is None:
                raise InvalidArgumentError(f"Unrecognized servable version label: {label}")
        versions = view.servables.get(name, {})
        if version is None and versions:
            return next(iter(versions.values()))
        if version is not None and version in versions:
            return versions[version]
        wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
        raise NotFoundError(f"Servable not found for request: {wanted}")

    def status(self, name: str) -> list[VersionStatus]:
        """The status of a model's versions, newest first; empty for an unknown model.

        Args:
            name: The model.
        """
        return self._states.of(name)

    def close(self) -> None:
        """Unload all models."""
        self.configure(())

    def _plan(self, config: ModelConfig, loaded: dict[tuple[str, int], Servable]) -> "_Planned":
        """Plan the versions of a model: those its policy selects, loaded if they are not yet.

        Newly loaded versions are added to ``loaded``. If none of them can be loaded, the current ones stay.
        """
        held = self._view.servables.get(config.name, {})
        before = self._configs.get(config.name)
        going_on = held if before is not None and before.base_path == config.base_path else {}
        try:
            folders = list_versions(config.base_path)
        except NotFoundError as unreadable:
            # No reason to stop serving what is in memory, unless a different folder is configured.
            _log.warning("cannot look for versions", extra={"model": config.name, "error": str(unreadable)})
            return _Planned(going_on, unreadable)
        self._states.forget_failures(config.name, folders)
        versions: dict[int, Servable] = {}
        error: ServingError | None = None
        wanted = config.policy.choose(folders)
        for version in sorted(wanted, reverse=True):
            servable = held.get(version)
            if servable is None or servable.folder != folders[version]:
                servable = self._load_version(config.name, version, folders[version])
                if servable is not None:
                    loaded[config.name, version] = servable
            if servable is not None:
                versions[version] = servable
            elif error is None:
                status = self._states.get(config.name, version)
                error = status.error if status is not None else None
        return _Planned(versions if versions or not wanted else going_on, error)

    def _check(self, config: ModelConfig, planned: "_Planned") -> None:
        before = self._configs.get(config.name)
        is_changed = before is None or (before.base_path, before.policy) != (config.base_path, config.policy)
        # At startup one servable version is enough; a later change must not make anything worse.
        if planned.error is not None and (not planned.versions or (self._configs and is_changed)):
            raise planned.error
        if not planned.versions:
            raise NotFoundError(
                f"model {config.name} has no version to serve: {config.base_path} holds no folder named by a number "
                "that its version policy asks for, with a saved_model.pb in it"
            )
        for label, version in config.labels.items():
            if version not in planned.versions and not self._labels_may_wait:
                raise FailedPreconditionError(
                    f"Request to assign label to version {version} of model {config.name}, which is not currently "
                    f"available for inference: label {label}"
                )

    def _take_back(self, loaded: Mapping[tuple[str, int], Servable], known: Mapping[str, list[VersionStatus]]) -> None:
        """Discard what a rejected change has loaded, and the statuses it reported."""
        for servable in loaded.values():
            servable.runner.retire()
        for name, before in known.items():
            for status in self._states.of(name):
                self._states.put(name, status.version, None)
            for status in before:
                self._states.put(name, status.version, status)

    def _load_version(self, name: str, version: int, folder: Path) -> Servable | None:
        if not self._states.may_try(name, version, folder, self._max_load_retries):
            return None
        before = self._states.get(name, version)
        if before is None or before.state is not State.AVAILABLE:
            self._states.set(name, version, State.LOADING)
        error: ServingError
        try:
            servable = self._load(name, version, folder)
        except ServingError as refused:
            error = refused
        except MemoryError:
            error = ResourceExhaustedError(f"there is not enough memory to load {folder}")
        except Exception:  # noqa: BLE001 - whatever it was, the other models must stay available
            _log.exception("loading a model failed because of a bug in this server")
            error = InternalError(f"cannot load {name}: the server's log has the details")
        else:
            extra = {"model": name, "model_version": version, "engine": asdict(servable.engine)}
            _log.info("model loaded", extra=extra)
            return servable
        self._states.failed(name, version, folder, before, error)
        _log.warning("cannot load a model", extra={"model": name, "model_version": version, "error": str(error)})
        return None

    def _swap(self, plan: Mapping[str, _Planned]) -> None:
        """Serve these versions and labels from now on, and release all others."""
        before = self._view
        self._view = _View(
            {name: _newest_first(plan[name].versions) for name in sorted(plan) if plan[name].versions},
            {name: dict(config.labels) for name, config in self._configs.items()},
        )
        after = {id(servable) for servable in self.all()}
        for name, versions in self._view.servables.items():
            for version in versions:
                self._states.set(name, version, State.AVAILABLE)
        gone = [each for versions in before.servables.values() for each in versions.values() if id(each) not in after]
        for servable in gone:
            is_replaced = servable.version in self._view.servables.get(servable.model_name, {})
            self._let_go(servable, is_replaced=is_replaced)
        if gone or len(after) != sum(map(len, before.servables.values())):
            for listener in self._listeners:
                listener()

    def _let_go(self, servable: Servable, *, is_replaced: bool) -> None:
        name, version = servable.model_name, servable.version
        if not is_replaced:
            self._states.set(name, version, State.UNLOADING)
        weakref.finalize(servable, self._unloaded, name, version).atexit = False
        servable.runner.retire()

    def _unloaded(self, name: str, version: int) -> None:
        self._states.unloaded(name, version)
        _log.info("model unloaded", extra={"model": name, "model_version": version})


def _newest_first(versions: _Versions) -> _Versions:
    return dict(sorted(versions.items(), reverse=True))
