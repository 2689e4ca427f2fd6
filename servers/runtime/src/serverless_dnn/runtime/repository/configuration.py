"""Which models and versions a server serves: TensorFlow Serving's ``ModelServerConfig``.

https://github.com/tensorflow/serving/blob/master/tensorflow_serving/g3doc/serving_config.md
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from google.protobuf import text_format

from serverless_dnn.protos.v1 import model_config_pb2
from serverless_dnn.runtime.errors import InvalidArgumentError, NotFoundError, PermissionDeniedError
from serverless_dnn.runtime.saved_model.model_folder import discover_models
from serverless_dnn.runtime.settings import ServerSettings


class VersionPolicy(Protocol):
    """Decides which of the versions on disk are served."""

    def choose(self, on_disk: Iterable[int]) -> set[int]:
        """The versions to serve.

        Args:
            on_disk: The versions that exist.

        Returns:
            Some of them.
        """
        ...


@dataclass(frozen=True)
class Latest:
    """The newest versions.

    Attributes:
        count: How many.
    """

    count: int = 1

    def choose(self, on_disk: Iterable[int]) -> set[int]:
        """The newest versions; see ``VersionPolicy.choose``."""
        return set(sorted(on_disk)[-self.count :])


@dataclass(frozen=True)
class AllVersions:
    """Every version."""

    def choose(self, on_disk: Iterable[int]) -> set[int]:
        """All versions; see ``VersionPolicy.choose``."""
        return set(on_disk)


@dataclass(frozen=True)
class Specific:
    """Only the given versions, if they are on disk.

    Attributes:
        versions: Their numbers.
    """

    versions: frozenset[int]

    def choose(self, on_disk: Iterable[int]) -> set[int]:
        """The versions named; see ``VersionPolicy.choose``."""
        return set(on_disk) & self.versions


@dataclass(frozen=True)
class ModelConfig:
    """One model.

    Attributes:
        name: The name callers use.
        base_path: The folder that holds its version folders.
        policy: Which of them are served.
        labels: Versions by label.
    """

    name: str
    base_path: Path
    policy: VersionPolicy = field(default_factory=Latest)
    labels: Mapping[str, int] = field(default_factory=dict)


def wanted_models(settings: ServerSettings) -> list[ModelConfig]:
    """The models named by a server's settings.

    Args:
        settings: The settings.

    Returns:
        The models of the model config file, or those found at the base path.

    Raises:
        ServingError: There are none, or the file is wrong.
    """
    if settings.model_config_file is not None:
        return read_model_config_file(settings.model_config_file)
    found = discover_models(settings.model_base_path or Path(), settings.model_name)
    return [ModelConfig(name, folder) for name, folder in found.items()]


def read_model_config_file(path: Path) -> list[ModelConfig]:
    """Read a ``ModelServerConfig`` text file.

    Args:
        path: The file.

    Returns:
        The models.

    Raises:
        NotFoundError: The file cannot be read.
        InvalidArgumentError: It is not such a file, or asks for something this server does not support.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise NotFoundError(f"cannot read the model config file {path}: {error.strerror}") from None
    try:
        config = text_format.Parse(text, model_config_pb2.ModelServerConfig())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(f"{path} is not a ModelServerConfig in text form: {error}") from None
    return model_configs(config)


def model_configs(config: model_config_pb2.ModelServerConfig) -> list[ModelConfig]:
    """The models of a ``ModelServerConfig``.

    Args:
        config: The message.

    Returns:
        The models.

    Raises:
        InvalidArgumentError: It is not a list of models, or one of them is not well formed.
    """
    if config.WhichOneof("config") != "model_config_list":
        raise InvalidArgumentError(
            "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently "
            "supported"
        )
    models = [_model_config(model) for model in config.model_config_list.config]
    names = [model.name for model in models]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise InvalidArgumentError(f"Illegal to list model {repeated[0]} multiple times in config list")
    return models


def check_allowed(configs: Iterable[ModelConfig], folders: Sequence[Path]) -> None:
    """Reject a caller's configuration that names models outside the allowed folders.

    Args:
        configs: The models.
        folders: The folders below which models are allowed.

    Raises:
        PermissionDeniedError: A model is elsewhere, or there are no such folders.
    """
    if not folders:
        raise PermissionDeniedError("this server accepts no new configuration: its operator gave no --reload-folder")
    for config in configs:
        # Resolved, so that neither .. nor a symbolic link escapes.
        if not any(config.base_path.resolve().is_relative_to(folder.resolve()) for folder in folders):
            raise PermissionDeniedError(
                f"model {config.name}: {config.base_path} is in none of the folders that a new configuration may name"
            )


def _model_config(model: model_config_pb2.ModelConfig) -> ModelConfig:
    if not model.name or not model.base_path:
        raise InvalidArgumentError(f"a model needs a name and a base_path, got {model.name!r} and {model.base_path!r}")
    if model.model_platform not in ("", "tensorflow"):
        raise InvalidArgumentError(f"model {model.name}: model_platform must be tensorflow, got {model.model_platform}")
    return ModelConfig(model.name, Path(model.base_path), _policy(model), dict(model.version_labels))


def _policy(model: model_config_pb2.ModelConfig) -> VersionPolicy:
    policy = model.model_version_policy
    match policy.WhichOneof("policy_choice"):
        case "all":
            return AllVersions()
        case "specific":
            if not policy.specific.versions:
                raise InvalidArgumentError(f"model {model.name}: the policy 'specific' names no version")
            return Specific(frozenset(policy.specific.versions))
        case _:
            return Latest(policy.latest.num_versions or 1)
