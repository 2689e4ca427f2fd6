"""What the function serves: the models, wherever they run, behind TensorFlow Serving's REST API."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

from serverless_dnn.lambda_rest.options import LambdaOptions
from serverless_dnn.runtime.cpus import effective_cpus
from serverless_dnn.runtime.errors import FailedPreconditionError
from serverless_dnn.runtime.model_servers.binary import find_binary, our_binary
from serverless_dnn.runtime.repository.configuration import ModelConfig, wanted_models
from serverless_dnn.runtime.repository.loading import start_repository
from serverless_dnn.runtime.settings import ServerSettings, TransferOptions
from serverless_dnn.runtime.timing import Instance, PhaseTimer

if TYPE_CHECKING:
    from serverless_dnn.runtime.http.rest_api import RestApi
    from serverless_dnn.runtime.model_servers.model_servers import ModelServers

_ID_CHARACTERS = 12


@dataclass(frozen=True)
class Function:
    """The loaded function.

    Attributes:
        api: Answers requests.
        model_names: The models.
        default_model: The model of bodies that name none; ``None`` if there are several.
    """

    api: "RestApi"
    model_names: tuple[str, ...]
    default_model: str | None


def load_function(
    settings: ServerSettings,
    options: LambdaOptions,
    transfers: TransferOptions,
    instance: Instance,
    observer: Callable[[str, str, PhaseTimer], None] | None = None,
) -> Function:
    """Load the models.

    Args:
        settings: How to serve.
        options: The function's options.
        transfers: Which pre-signed URLs may be read and written.
        instance: Records the time spent.
        observer: Called when a request ends.

    Returns:
        The function, ready to answer.

    Raises:
        ServingError: A model cannot be loaded, or a model server does not start.
    """
    settings = _with_threads(settings)
    configs = wanted_models(settings)
    if options.model_server == "child":
        servers = _start_child(settings, options, configs, instance)
        settings = servers.remote_settings(settings)
    repository = start_repository(settings, instance, configs)
    with instance.starting("import"):
        # Begun while the first model was loading.
        from serverless_dnn.runtime.http.rest_api import RestApi
        from serverless_dnn.runtime.http.rest_options import RestOptions
        from serverless_dnn.runtime.http.transfers import Transfers
        from serverless_dnn.runtime.inference.admission import Admission

    instance.ready()
    names = tuple(sorted({servable.model_name for servable in repository.all()}))
    # Lambda sends one event at a time, and has its own limits on memory and size.
    admission = Admission(max_bytes=settings.max_body_bytes)
    limits = RestOptions(settings.max_body_bytes, transfers=Transfers(transfers.within(settings.max_body_mib)))
    api = RestApi(repository, instance, admission, limits, observer=observer)
    default = settings.model_name or (names[0] if len(names) == 1 else None)
    return Function(api, names, default)


def instance_id(environment: Mapping[str, str] = os.environ) -> str | None:
    """The identity of this execution environment.

    Args:
        environment: ``AWS_LAMBDA_LOG_STREAM_NAME`` is unique to each, but shared by a Managed Instance's processes.

    Returns:
        The end of the stream's name, with the process where there are several; ``None`` outside Lambda.
    """
    stream = environment.get("AWS_LAMBDA_LOG_STREAM_NAME", "")
    name = stream.rpartition("]")[2][-_ID_CHARACTERS:]
    return f"{name}-{os.getpid()}" if name and _processes(environment) > 1 else name or None


def _processes(environment: Mapping[str, str] = os.environ) -> int:
    """How many processes like this one share the execution environment."""
    text = environment.get("AWS_LAMBDA_MAX_CONCURRENCY", "")
    return max(1, int(text)) if text.isascii() and text.isdecimal() else 1


def _with_threads(settings: ServerSettings) -> ServerSettings:
    """Share the CPUs among the processes of a Managed Instance."""
    if settings.engine.threads is not None or _processes() == 1:
        return settings
    threads = max(1, effective_cpus() // _processes())
    return replace(settings, engine=replace(settings.engine, threads=threads))


def _start_child(
    settings: ServerSettings, options: LambdaOptions, configs: list[ModelConfig], instance: Instance
) -> "ModelServers":
    """Run the models in a model server beside this process."""
    if find_spec("grpc") is None:
        raise FailedPreconditionError(
            "a model server is called over gRPC: pip install 'serverless-dnn-lambda[tensorflow-serving]'"
        )
    with instance.starting("import"):
        # It imports gRPC, which models in this process do without.
        from serverless_dnn.runtime.model_servers.model_servers import ModelServerOptions, ModelServers, batching_of

    binary = find_binary(options.binary, variable="SDNN_TFS_BINARY") or our_binary()
    instance.server = binary.name
    servers = ModelServers(binary, ModelServerOptions(batching_parameters=batching_of(settings)), settings.engine)
    with instance.starting("load"):
        servers.start(configs)
    return servers
