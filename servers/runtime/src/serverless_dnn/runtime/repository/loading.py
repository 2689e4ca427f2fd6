"""Load the models of a server: signatures, engine, runner, warm-up."""

import logging
from pathlib import Path

from serverless_dnn.runtime.engines.selection import load_model
from serverless_dnn.runtime.errors import ResourceExhaustedError
from serverless_dnn.runtime.inference.runner import DirectRunner, Runner
from serverless_dnn.runtime.inference.servable import Servable
from serverless_dnn.runtime.memory_limit import memory_limit
from serverless_dnn.runtime.repository.configuration import ModelConfig, wanted_models
from serverless_dnn.runtime.repository.model_repository import Loader, ModelRepository
from serverless_dnn.runtime.repository.polling import start_polling
from serverless_dnn.runtime.repository.warmup import warm_up
from serverless_dnn.runtime.saved_model.completeness import check_complete
from serverless_dnn.runtime.saved_model.model_folder import size_bytes
from serverless_dnn.runtime.saved_model.signature import read_signatures
from serverless_dnn.runtime.settings import ServerSettings
from serverless_dnn.runtime.timing import Instance

_log = logging.getLogger(__name__)


def start_repository(
    settings: ServerSettings, instance: Instance, configured: list[ModelConfig] | None = None
) -> ModelRepository:
    """Find and load the models, and start polling for new versions if the settings enable it.

    Args:
        settings: Where the models are and how to run them.
        instance: Records the time spent.
        configured: The models to load; by default those the settings name.

    Returns:
        The repository, ready to serve.

    Raises:
        ServingError: There is no model, or one of them cannot be loaded.
    """
    repository = ModelRepository(
        make_loader(settings, instance),
        max_load_retries=settings.max_load_retries,
        labels_may_wait=settings.labels_may_wait,
    )
    if configured is None:
        configured = wanted_models(settings)
    repository.configure(configured)
    instance.engine = ", ".join(sorted({str(servable.engine) for servable in repository.all()}))
    if settings.poll_wait_s:
        start_polling(repository, settings, configured)
    return repository


def make_loader(settings: ServerSettings, instance: Instance) -> Loader:
    """The function that loads a model version: checks its files, selects its engine, and warms it up.

    Args:
        settings: How to run models.
        instance: Records the time spent.

    Returns:
        The function; it raises a ServingError for a version that cannot be served.

    Raises:
        ServingError: The batching parameters file is wrong.
    """
    batching = None
    if settings.enable_batching:
        from serverless_dnn.runtime.inference.batching_parameters import read_batching_parameters

        batching = read_batching_parameters(settings.batching_parameters_file)

    def load(name: str, version: int, folder: Path) -> Servable:
        check_complete(folder)
        _check_memory(folder)
        signatures = read_signatures(folder)
        loaded = load_model(folder, signatures, settings.engine, instance, name)
        runner: Runner = DirectRunner(loaded)
        if batching is not None:
            from serverless_dnn.runtime.inference.batching import BatchingRunner

            runner = BatchingRunner(loaded, batching)
        servable = Servable(name, version, folder, signatures, loaded.info, runner)
        if settings.warm_up:
            try:
                with instance.starting("warmup"):
                    sent = warm_up(servable, folder)
            except BaseException:
                runner.retire()
                raise
            _log.info("warmed up", extra={"model": name, "model_version": version, "requests": sent})
        return servable

    return load


def _check_memory(folder: Path) -> None:
    """Reject a model that cannot fit, rather than be silently OOM-killed."""
    needed, limit = size_bytes(folder), memory_limit()
    if needed > limit:
        raise ResourceExhaustedError(
            f"{folder} holds {needed >> 20} MiB, and this process may use {limit >> 20} MiB of memory: give it more"
        )
