"""Where the models run: in this process, or in model servers beside it."""

import logging
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from serverless_dnn.runtime.cpus import effective_cpus
from serverless_dnn.runtime.errors import FailedPreconditionError, InvalidArgumentError
from serverless_dnn.runtime.model_servers.binary import find_binary, our_binary
from serverless_dnn.runtime.repository.configuration import ModelConfig
from serverless_dnn.runtime.repository.loading import make_loader, start_repository
from serverless_dnn.runtime.repository.model_repository import ModelRepository
from serverless_dnn.runtime.settings import ServerSettings
from serverless_dnn.runtime.timing import Instance
from serverless_dnn.sagemaker_tfserving.options import SageMakerOptions, batching_parameters

_log = logging.getLogger(__name__)
_STOP_S = 2.0


@dataclass(frozen=True)
class Backend:
    """The models, wherever they run.

    Attributes:
        repository: What requests are looked up in.
        why_away: Why predictions cannot be made now; empty if they can.
        reload: Tells model servers which models to hold.
        processes: The model servers' processes; empty if the models run in this process.
        ports: The gRPC and REST ports of the model servers; empty if the models run in this process.
    """

    repository: ModelRepository
    why_away: Callable[[], str] = lambda: ""
    reload: Callable[[Sequence[ModelConfig]], object] = lambda _configs: None
    processes: Callable[[], Sequence[int]] = tuple
    ports: Sequence[tuple[int, int]] = ()


def start_backend(
    settings: ServerSettings,
    options: SageMakerOptions,
    configs: list[ModelConfig],
    instance: Instance,
    running: ExitStack,
) -> Backend:
    """Load the models.

    Args:
        settings: How to serve.
        options: The container's options.
        configs: The models; none in a multi-model endpoint.
        instance: Records the time spent, and what runs the models.
        running: Stops at its end what is started here.

    Returns:
        The models, ready to serve.

    Raises:
        ServingError: A model cannot be loaded, or a model server does not start.
    """
    if options.batching:
        _log.info("batching", extra={"parameters": batching_parameters(options, effective_cpus())})
    if (binary := _binary(settings, options)) is None:
        instance.server = "in-process"
        settings = _in_process(settings, options, running)
        return Backend(_load(settings, options, configs, instance))
    if settings.poll_wait_s:
        raise InvalidArgumentError("--poll-wait-s needs the models in this process, not in a model server beside it")
    if find_spec("grpc") is None:
        raise FailedPreconditionError(
            f"{binary} is called over gRPC: pip install 'serverless-dnn-sagemaker[tensorflow-serving]'"
        )
    with instance.starting("import"):
        # It imports gRPC, which models in this process do without.
        from serverless_dnn.runtime.model_servers.model_servers import ModelServerOptions, ModelServers, batching_of

    instance.server = binary.name
    how = ModelServerOptions(
        options.instance_count,
        options.inner_ports,
        options.wait_time_s,
        options.request_timeout_s,
        options.intra_op_parallelism,
        options.inter_op_parallelism,
        batching_parameters(options, effective_cpus()) if options.batching else batching_of(settings),
    )
    servers = ModelServers(binary, how, settings.engine)
    running.callback(servers.stop, _STOP_S)
    with instance.starting("load"):
        servers.start(configs)
    settings = replace(settings, engine=replace(settings.engine, remote_timeout_s=options.request_timeout_s))
    repository = _load(servers.remote_settings(settings), options, configs, instance)
    return Backend(repository, servers.why_away, servers.reload, servers.processes, servers.ports)


def _binary(settings: ServerSettings, options: SageMakerOptions) -> Path | None:
    """The program of the model servers; ``None`` to run the models in this process."""
    # An engine asked for by name runs in this process, whatever is on PATH.
    if options.binary is not None or settings.engine.name == "auto":
        found = find_binary(options.binary, variable="SAGEMAKER_TFS_BINARY")
        if found is not None:
            return found
    return our_binary() if options.instance_count > 1 else None


def _in_process(settings: ServerSettings, options: SageMakerOptions, running: ExitStack) -> ServerSettings:
    if options.intra_op_parallelism:
        settings = replace(settings, engine=replace(settings.engine, threads=options.intra_op_parallelism))
    if options.batching:
        folder = running.enter_context(tempfile.TemporaryDirectory(prefix="sdnn-batching-"))
        path = Path(folder, "batching-config.cfg")
        path.write_text(batching_parameters(options, effective_cpus()), encoding="utf-8")
        settings = replace(settings, enable_batching=True, batching_parameters_file=path)
    return settings


def _load(
    settings: ServerSettings, options: SageMakerOptions, configs: list[ModelConfig], instance: Instance
) -> ModelRepository:
    if options.multi_model:
        return ModelRepository(make_loader(settings, instance), max_load_retries=0)
    return start_repository(settings, instance, configs)
