"""Multi-model endpoints: SageMaker loads and unloads models while the container runs.

The calls are those of https://docs.aws.amazon.com/sagemaker/latest/dg/mms-container-apis.html, the messages those of
the TensorFlow Serving container that AWS published.
"""

import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from serverless_dnn.runtime.codecs.content_types import JSON_TYPE
from serverless_dnn.runtime.errors import (
    AlreadyExistsError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    ResourceExhaustedError,
)
from serverless_dnn.runtime.http.messages import HttpReply
from serverless_dnn.runtime.http.rest_api import message_to_dict
from serverless_dnn.runtime.memory_limit import memory_limit, resident_bytes
from serverless_dnn.runtime.repository.configuration import ModelConfig
from serverless_dnn.runtime.repository.model_info import model_status
from serverless_dnn.runtime.repository.versions import State
from serverless_dnn.runtime.saved_model.model_folder import list_versions, size_bytes
from serverless_dnn.sagemaker_tfserving.models.backend import Backend
from serverless_dnn.sagemaker_tfserving.models.discovery import find_models
from serverless_dnn.sagemaker_tfserving.options import ModelList

INSUFFICIENT_STORAGE = 507
"""The status that makes SageMaker unload other models and try again."""
_FREED_WITHIN_S = 30.0
_LOOK_S = 0.01
_SHOWN = 100


@dataclass(frozen=True)
class _Loaded:
    """A loaded model.

    Attributes:
        url: The folder that SageMaker named.
        config: What is served of it.
    """

    url: str
    config: ModelConfig


class MultiModel:
    """The models of a multi-model endpoint.

    Args:
        backend: Where they run.
        root: The folder that every model lies below.
        model_list: The shape of the list of models.
    """

    def __init__(
        self,
        backend: Backend,
        root: Path,
        model_list: ModelList,
    ) -> None:
        self._backend = backend
        self._repository = backend.repository
        self._root = root
        self._model_list = model_list
        # Changes are made one at a time; nothing that answers predictions waits for this lock.
        self._changing = threading.Lock()
        self._loaded: dict[str, _Loaded] = {}

    def load(self, body: bytes) -> HttpReply:
        """``POST /models``: load a model.

        Args:
            body: ``{"model_name": ..., "url": ...}``.

        Returns:
            A reply of status 200, or 507 if there is no memory for the model.

        Raises:
            AlreadyExistsError: It is loaded.
            NotFoundError: There is no model at the URL.
            ServingError: The body is wrong, or the model cannot be loaded.
        """
        name, url = _read_load(body)
        with self._changing:
            if name in self._loaded:
                raise AlreadyExistsError(f"Model {name} is already loaded.")
            config = self._find(name, url)
            wanted = [*(loaded.config for loaded in self._loaded.values()), config]
            try:
                self._check_memory(config)
                self._backend.reload(wanted)
                self._repository.configure(wanted)
            except ResourceExhaustedError as error:
                return HttpReply(INSUFFICIENT_STORAGE, JSON_TYPE, _print({"error": f"Memory exhausted: {error}"}))
            self._loaded = {**self._loaded, name: _Loaded(url, config)}
        return HttpReply(200, JSON_TYPE, _print({"success": f"Successfully loaded model {name}."}))

    def unload(self, name: str) -> HttpReply:
        """``DELETE /models/NAME``: unload a model, and answer when its memory is free.

        Args:
            name: The model.

        Returns:
            A reply of status 200.

        Raises:
            NotFoundError: It is not loaded.
        """
        with self._changing:
            self.check_loaded(name)
            self._loaded = {other: loaded for other, loaded in self._loaded.items() if other != name}
            wanted = [loaded.config for loaded in self._loaded.values()]
            self._repository.configure(wanted)
            self._backend.reload(wanted)
        end_s = time.monotonic() + _FREED_WITHIN_S
        while any(status.state is not State.END for status in self._repository.status(name)):
            if time.monotonic() > end_s:
                # Requests that still run keep it; they were admitted before it was unloaded.
                break
            time.sleep(_LOOK_S)
        return HttpReply(200, JSON_TYPE, _print({"success": f"Successfully unloaded model {name}."}))

    def list(self) -> HttpReply:
        """``GET /models``: the loaded models, in SageMaker's shape or the published container's."""
        if self._model_list == "upstream":
            states = {name: message_to_dict(model_status(self._repository, name)) for name in self._loaded}
            return HttpReply(200, JSON_TYPE, _print(states))
        return HttpReply(200, JSON_TYPE, _print({"models": [self._entry(name) for name in self._loaded]}))

    def describe(self, name: str) -> HttpReply:
        """``GET /models/NAME``: a loaded model.

        Args:
            name: The model.

        Returns:
            A reply of status 200.

        Raises:
            NotFoundError: It is not loaded.
        """
        self.check_loaded(name)
        return HttpReply(200, JSON_TYPE, _print(self._entry(name)))

    def check_loaded(self, name: str) -> None:
        """Go on only with a model that is loaded.

        Args:
            name: The model.

        Raises:
            NotFoundError: It is not loaded.
        """
        if name not in self._loaded:
            raise NotFoundError(f"Model {name[:_SHOWN]} is not loaded yet.")

    def _find(self, name: str, url: str) -> ModelConfig:
        path = Path(url)
        # Resolved, so that neither .. nor a symbolic link escapes.
        if not path.resolve().is_relative_to(self._root.resolve()):
            raise PermissionDeniedError(f"the url of a model must lie below {self._root}, got {url[:_SHOWN]}")
        try:
            (config,) = find_models(path, name)
        except (NotFoundError, InvalidArgumentError):
            raise NotFoundError(f"Could not find valid base path {url} for servable {name}") from None
        return config

    def _check_memory(self, config: ModelConfig) -> None:
        """Refuse a model that does not fit beside the others, rather than be killed while loading it."""
        needed = sum(size_bytes(folder) for folder in list_versions(config.base_path).values())
        free = memory_limit() - resident_bytes() - sum(map(resident_bytes, self._backend.processes()))
        if needed > free:
            raise ResourceExhaustedError(
                f"{config.base_path} holds {needed >> 20} MiB, and {max(0, free) >> 20} MiB of memory are free"
            )

    def _entry(self, name: str) -> dict[str, str]:
        return {"modelName": name, "modelUrl": self._loaded[name].url}


def _read_load(body: bytes) -> tuple[str, str]:
    try:
        document = json.loads(body)
    except ValueError as error:
        raise InvalidArgumentError(f"JSON Parse error: {error}") from None
    if not isinstance(document, dict) or not isinstance(name := document.get("model_name"), str) or not name:
        raise InvalidArgumentError('expected {"model_name": ..., "url": ...}')
    if not isinstance(url := document.get("url"), str):
        # 500, which the published container answers: SageMaker itself never leaves it out.
        raise InternalError('the request names no url: expected {"model_name": ..., "url": ...}')
    if "/" in name or ":" in name or not name.isprintable():
        raise InvalidArgumentError(f"a model's name must not hold / or :, got {name[:_SHOWN]!r}")
    return name, url


def _print(document: object) -> bytes:
    return json.dumps(document).encode()
