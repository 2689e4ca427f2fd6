"""Models on disk in TensorFlow Serving's layout, and the versions of them that are served.

``<base path>/<version>/saved_model.pb`` is one model; a folder of such folders holds several. Version folders are named
by digits; anything else beside them is ignored (tensorflow/serving, g3doc/serving_config.md).
"""

import logging
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from serverless_dnn.runtime.engines.base import EngineOptions, LoadedModel
from serverless_dnn.runtime.engines.selection import load_model
from serverless_dnn.runtime.errors import FailedPreconditionError, InvalidArgumentError, NotFoundError
from serverless_dnn.runtime.signature import DEFAULT_SIGNATURE, Signature, read_signatures
from serverless_dnn.runtime.timing import Instance

_log = logging.getLogger(__name__)
SAVED_MODEL_FILE = "saved_model.pb"


@dataclass(frozen=True)
class Servable:
    """One version of one model, loaded.

    Attributes:
        model_name: The name callers use.
        version: The version's number.
        folder: Its folder.
        signatures: The model's signatures by name.
        loaded: The model in its engine.
    """

    model_name: str
    version: int
    folder: Path
    signatures: Mapping[str, Signature]
    loaded: LoadedModel
    gate: threading.BoundedSemaphore = field(repr=False, compare=False)

    def signature(self, name: str) -> Signature:
        """A signature by its name.

        Args:
            name: Empty means ``serving_default``.

        Returns:
            The signature.

        Raises:
            FailedPreconditionError: The model has no such signature.
        """
        try:
            return self.signatures[name or DEFAULT_SIGNATURE]
        except KeyError:
            raise FailedPreconditionError(
                f'Serving signature key "{name or DEFAULT_SIGNATURE}" not found. '
                f"This model has: {', '.join(self.signatures) or 'none'}"
            ) from None

    def run(self, signature: Signature, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run a signature in the engine; see ``LoadedModel.run``."""
        return self.loaded.run(signature, inputs)


def list_versions(model_folder: Path) -> dict[int, Path]:
    """The version folders of a model.

    Args:
        model_folder: The folder that holds them.

    Returns:
        The folders by version, newest first.

    Raises:
        NotFoundError: The folder does not exist.
    """
    try:
        folders = [entry for entry in model_folder.iterdir() if entry.name.isascii() and entry.name.isdigit()]
    except OSError as error:
        raise NotFoundError(f"cannot read the model folder {model_folder}: {error.strerror}") from None
    return {int(folder.name): folder for folder in sorted(folders, key=lambda folder: int(folder.name), reverse=True)}


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
    if any((folder / SAVED_MODEL_FILE).is_file() for folder in list_versions(base_path).values()):
        return {model_name or base_path.resolve().name: base_path}
    models = {
        folder.name: folder
        for folder in sorted(base_path.iterdir())
        if folder.is_dir() and any((version / SAVED_MODEL_FILE).is_file() for version in list_versions(folder).values())
    }
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


class ModelRepository:
    """The models a server holds.

    Args:
        options: How models are run.
        instance: Takes the time spent on loading.
    """

    def __init__(self, options: EngineOptions, instance: Instance) -> None:
        self._options = options
        self._instance = instance
        # Replaced as a whole, never changed, so that readers need no lock.
        self._servables: Mapping[str, Mapping[int, Servable]] = MappingProxyType({})

    def load(self, models: Mapping[str, Path]) -> None:
        """Load the newest version of each model.

        Args:
            models: Model folders by name.

        Raises:
            NotFoundError: A model has no version.
            ServingError: A model cannot be loaded.
        """
        servables = {name: self._load_newest(name, folder) for name, folder in models.items()}
        self._servables = MappingProxyType(servables)
        self._instance.engine = ", ".join(sorted({str(servable.loaded.info) for servable in self.all()}))

    def _load_newest(self, name: str, folder: Path) -> Mapping[int, Servable]:
        versions = list_versions(folder)
        if not versions:
            raise NotFoundError(f"model {name} has no version: {folder} holds no folder named by a number")
        version, version_folder = next(iter(versions.items()))
        signatures = read_signatures(version_folder)
        loaded = load_model(version_folder, signatures, self._options, self._instance)
        _log.info(
            "model loaded",
            extra={"model": name, "model_version": version, "engine": asdict(loaded.info)},
        )
        gate = threading.BoundedSemaphore(loaded.concurrency)
        return MappingProxyType({version: Servable(name, version, version_folder, signatures, loaded, gate)})

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
            raise InvalidArgumentError(f"Unrecognized servable version label: {label}")
        versions = self._servables.get(name, {})
        if version is None and versions:
            return next(iter(versions.values()))
        if version is not None and version in versions:
            return versions[version]
        wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
        raise NotFoundError(f"Servable not found for request: {wanted}")

    def close(self) -> None:
        """Give back all models' memory."""
        servables, self._servables = self.all(), MappingProxyType({})
        for servable in servables:
            servable.loaded.close()
