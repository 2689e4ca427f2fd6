"""A server's start: load its models, keep them up to date, and tell a launcher when it is ready."""

import json
import logging
import os
import threading
from pathlib import Path

from serverless_dnn.runtime.engines.selection import load_model
from serverless_dnn.runtime.errors import ServingError
from serverless_dnn.runtime.memory import keep_freed_memory
from serverless_dnn.runtime.model_config import ModelConfig, read_model_config_file
from serverless_dnn.runtime.model_folder import discover_models
from serverless_dnn.runtime.repository import Loader, ModelRepository
from serverless_dnn.runtime.runner import DirectRunner, Runner
from serverless_dnn.runtime.servable import Servable
from serverless_dnn.runtime.settings import ServerSettings
from serverless_dnn.runtime.signature import read_signatures
from serverless_dnn.runtime.timing import Instance
from serverless_dnn.runtime.warmup import warm_up

_log = logging.getLogger(__name__)


def start_repository(settings: ServerSettings, instance: Instance) -> ModelRepository:
    """Find and load the models, and go on looking for new versions if the settings say so.

    Args:
        settings: Where they are and how to run them.
        instance: Takes the time spent.

    Returns:
        The repository, ready to answer.

    Raises:
        ServingError: There is no model, or one cannot be loaded.
    """
    keep_freed_memory()
    repository = ModelRepository(
        _loader(settings, instance),
        max_load_retries=settings.max_load_retries,
        labels_may_wait=settings.labels_may_wait,
    )
    repository.configure(wanted_models(settings))
    instance.engine = ", ".join(sorted({str(servable.engine) for servable in repository.all()}))
    if settings.poll_wait_s:
        threading.Thread(target=_poll, args=(repository, settings), name="poll", daemon=True).start()
    return repository


def wanted_models(settings: ServerSettings) -> list[ModelConfig]:
    """The models a server's settings name.

    Args:
        settings: The settings.

    Returns:
        The models of the model config file, or those found at the base path.

    Raises:
        ServingError: There is none, or the file is wrong.
    """
    if settings.model_config_file is not None:
        return read_model_config_file(settings.model_config_file)
    found = discover_models(settings.model_base_path, settings.model_name)
    return [ModelConfig(name, folder) for name, folder in found.items()]


def announce_ready(ready_file: Path | None, host: str, port: int, **others: int) -> None:
    """Tell that requests are answered from now on, in the log and in the ready file.

    Args:
        ready_file: Written aside and renamed, so that who sees it sees all of it; ``None`` writes none.
        host: The address listened on.
        port: The port listened on.
        **others: Further ports, by name.
    """
    if ready_file is not None:
        aside = ready_file.with_name(f"{ready_file.name}.{os.getpid()}")
        aside.write_text(json.dumps({"host": host, "port": port, "pid": os.getpid(), **others}), encoding="utf-8")
        aside.rename(ready_file)
    _log.info("ready", extra={"host": host, "port": port, **others})


def _loader(settings: ServerSettings, instance: Instance) -> Loader:
    def load(name: str, version: int, folder: Path) -> Servable:
        signatures = read_signatures(folder)
        loaded = load_model(folder, signatures, settings.engine, instance, name)
        runner: Runner = DirectRunner(loaded)
        if settings.batching is not None:
            from serverless_dnn.runtime.batching import BatchingRunner

            runner = BatchingRunner(loaded, settings.batching)
        servable = Servable(name, version, folder, signatures, loaded.info, runner)
        if settings.warm_up:
            try:
                with instance.starting("warmup"):
                    sent = warm_up(servable, folder)
            except ServingError:
                runner.retire()
                raise
            _log.info("warmed up", extra={"model": name, "model_version": version, "requests": sent})
        return servable

    return load


def _poll(repository: ModelRepository, settings: ServerSettings) -> None:
    """Look for new versions and new models, for as long as the process lives."""
    configured = wanted_models(settings)
    never = threading.Event()
    while not never.wait(settings.poll_wait_s):
        try:
            wanted = wanted_models(settings) if settings.poll_config else configured
            if wanted != configured:
                configured = wanted
                repository.configure(wanted)
            else:
                repository.refresh()
        except ServingError as error:
            _log.warning("the models stay as they are", extra={"error": str(error)})
