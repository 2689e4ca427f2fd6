"""A server's start and the file that tells a launcher it is ready."""

import json
import logging
import os
from pathlib import Path

from serverless_dnn.runtime.repository import ModelRepository, discover_models
from serverless_dnn.runtime.settings import ServerSettings
from serverless_dnn.runtime.timing import Instance
from serverless_dnn.runtime.warmup import warm_up

_log = logging.getLogger(__name__)


def start_repository(settings: ServerSettings, instance: Instance) -> ModelRepository:
    """Find and load the models.

    Args:
        settings: Where they are and how to run them.
        instance: Takes the time spent.

    Returns:
        The repository, ready to answer.

    Raises:
        ServingError: There is no model, or one cannot be loaded.
    """
    repository = ModelRepository(settings.engine, instance)
    repository.load(discover_models(settings.model_base_path, settings.model_name))
    if settings.warm_up:
        with instance.starting("warmup"):
            sent = sum(warm_up(servable, servable.folder) for servable in repository.all())
        _log.info("warmed up", extra={"requests": sent})
    return repository


def announce_ready(ready_file: Path | None, host: str, port: int) -> None:
    """Tell that requests are answered from now on, in the log and in the ready file.

    Args:
        ready_file: Written aside and renamed, so that who sees it sees all of it; ``None`` writes none.
        host: The address listened on.
        port: The port listened on.
    """
    if ready_file is not None:
        aside = ready_file.with_name(f"{ready_file.name}.{os.getpid()}")
        aside.write_text(json.dumps({"host": host, "port": port, "pid": os.getpid()}), encoding="utf-8")
        aside.rename(ready_file)
    _log.info("ready", extra={"host": host, "port": port})
