"""The command ``sdnn-model-server``: TensorFlow Serving's APIs, with the flags of ``tensorflow_model_server``."""

import asyncio
import logging
import signal
import time
from dataclasses import dataclass
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

import click
from google.protobuf import text_format

from serverless_dnn.protos.v1 import monitoring_config_pb2
from serverless_dnn.runtime.commands.command_line import exit_on_serving_error
from serverless_dnn.runtime.commands.memory import keep_freed_memory
from serverless_dnn.runtime.commands.model_server_flags import model_server_flags, refuse
from serverless_dnn.runtime.commands.ready_file import announce_ready, check_ready_file
from serverless_dnn.runtime.cpus import effective_cpus
from serverless_dnn.runtime.errors import InvalidArgumentError, NotFoundError, ServingError
from serverless_dnn.runtime.inference.admission import Admission
from serverless_dnn.runtime.logs import log_to_file, log_to_stderr
from serverless_dnn.runtime.repository.configuration import wanted_models
from serverless_dnn.runtime.repository.loading import start_repository
from serverless_dnn.runtime.repository.model_repository import ModelRepository
from serverless_dnn.runtime.settings import EngineOptions, GrpcSettings, ServerSettings
from serverless_dnn.runtime.timing import Instance

_log = logging.getLogger(__name__)
_METRICS_PATH = "/monitoring/prometheus/metrics"
_DRAIN_S = 9.0
_DEFAULT_CALLS = 1000
_THREADS_PER_CPU = 4
# Reserved for replies still being sent once the rest of the drain has used up its time.
_LAST_REPLIES_S = 0.5


@dataclass(frozen=True)
class ListenOptions:
    """Where a model server listens.

    Attributes:
        port: The gRPC port; 0 picks any free port.
        grpc_socket_path: A unix socket for gRPC.
        rest_port: The REST port; 0 disables REST, -1 picks any free port.
        rest_threads: Threads for REST.
        rest_timeout_s: How long a REST call may wait in the queue.
        cors: Whether web pages of any origin may call REST.
        metrics_path: The path of the Prometheus metrics page; ``None`` disables it.
    """

    port: int = 8500
    grpc_socket_path: Path | None = None
    rest_port: int = 0
    rest_threads: int = 8
    rest_timeout_s: float = 30.0
    cors: bool = False
    metrics_path: str | None = None


@click.command(
    epilog="Example: sdnn-model-server --port=8500 --rest_api_port=8501 --model_base_path=models/mobilenet_v1",
    context_settings={
        "max_content_width": 120,
        "ignore_unknown_options": True,
        "auto_envvar_prefix": "SDNN_MODEL_SERVER",
    },
)
@model_server_flags
@click.version_option(package_version("serverless-dnn-runtime"), "--version")
@click.argument("others", nargs=-1, type=click.UNPROCESSED)
def main(others: tuple[str, ...], **flags: Any) -> None:
    """Serve SavedModels over TensorFlow Serving's gRPC and REST APIs, like tensorflow_model_server."""
    refuse(list(others))
    instance = Instance.of_server()
    log_to_stderr()
    with exit_on_serving_error("sdnn-model-server"):
        keep_freed_memory()
        listen, settings = _listen(flags), _settings(flags)
        check_ready_file(settings.ready_file)
        log_to_file(settings.records_file)
        repository = start_repository(settings, instance)
        asyncio.run(_serve(settings, _grpc_settings(flags, settings), listen, repository, instance))


def _settings(flags: dict[str, Any]) -> ServerSettings:
    for name in ("enable_grpc_healthcheck_service", "enable_serialization_as_tensor_content"):
        if not flags[name]:
            raise InvalidArgumentError(f"--{name} is always on here, so it cannot be false")
    if flags["model_base_path"] is None and flags["model_config_file"] is None:
        raise InvalidArgumentError("no model: give --model_base_path or --model_config_file")
    if flags["batching_parameters_file"] is not None and not flags["enable_batching"]:
        raise InvalidArgumentError("--batching_parameters_file supplied without --enable_batching")
    polls = [flags["file_system_poll_wait_seconds"], flags["model_config_file_poll_wait_seconds"]]
    return ServerSettings(
        model_base_path=flags["model_base_path"],
        model_name=flags["model_name"],
        model_config_file=flags["model_config_file"],
        poll_wait_s=min((wait_s for wait_s in polls if wait_s), default=0.0),
        poll_config=flags["model_config_file_poll_wait_seconds"] > 0,
        max_load_retries=flags["max_num_load_retries"],
        labels_may_wait=flags["allow_version_labels_for_unavailable_models"],
        warm_up=flags["enable_model_warmup"],
        enable_batching=flags["enable_batching"],
        batching_parameters_file=flags["batching_parameters_file"],
        max_body_mib=flags["max_body_mib"],
        host=flags["host"],
        ready_file=flags["ready_file"],
        records_file=flags["records_file"],
        engine=EngineOptions(
            name=flags["engine"],
            precision=flags["precision"],
            threads=flags["tensorflow_intra_op_parallelism"] or None,
            cache_folder=flags["cache_folder"],
            remote_target=flags["remote_target"],
            remote_timeout_s=flags["remote_timeout_s"],
        ),
    )


def _grpc_settings(flags: dict[str, Any], settings: ServerSettings) -> GrpcSettings:
    folders = flags["reload_folder"] or sorted({config.base_path.parent for config in wanted_models(settings)})
    return GrpcSettings(concurrency=flags["grpc_max_threads"] or _DEFAULT_CALLS, reload_folders=tuple(folders))


def _listen(flags: dict[str, Any]) -> ListenOptions:
    if flags["port"] and flags["port"] == flags["rest_api_port"]:
        raise InvalidArgumentError(f"--port and --rest_api_port must differ, both are {flags['port']}")
    metrics_path = None
    if flags["monitoring_config_file"] is not None:
        metrics_path = _metrics_path(flags["monitoring_config_file"])
        if metrics_path and not flags["rest_api_port"]:
            raise InvalidArgumentError("Prometheus metrics are served on the REST port: give --rest_api_port")
    return ListenOptions(
        flags["port"],
        flags["grpc_socket_path"],
        flags["rest_api_port"],
        flags["rest_api_num_threads"] or _THREADS_PER_CPU * effective_cpus(),
        flags["rest_api_timeout_in_ms"] / 1000,
        flags["rest_api_enable_cors_support"],
        metrics_path,
    )


def _metrics_path(path: Path) -> str | None:
    try:
        config = text_format.Parse(path.read_text(encoding="utf-8"), monitoring_config_pb2.MonitoringConfig())
    except OSError as error:
        raise NotFoundError(f"cannot read the monitoring config file {path}: {error.strerror}") from None
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(f"{path} is not a MonitoringConfig in text form: {error}") from None
    return (config.prometheus_config.path or _METRICS_PATH) if config.prometheus_config.enable else None


async def _serve(
    settings: ServerSettings,
    grpc_settings: GrpcSettings,
    listen: ListenOptions,
    repository: ModelRepository,
    instance: Instance,
) -> None:
    with instance.starting("import"):
        from serverless_dnn.runtime.metrics.prometheus import Metrics
        from serverless_dnn.runtime.rpc.server import GrpcServer

    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    metrics = Metrics(tensorflow_serving=True)
    server = GrpcServer(settings, grpc_settings, repository, instance, observer=metrics.observe)
    metrics.watch_in_flight(lambda: server.admission.in_work)
    try:
        port = await server.start(settings.host, listen.port, listen.grpc_socket_path)
        rest = None
        if listen.rest_port:
            rest = _start_rest(settings, listen, repository, instance, server.admission, metrics)
        instance.ready()
        announce_ready(settings.ready_file, settings.host, port, rest_api_port=rest.port if rest is not None else 0)
    except ServingError:
        await server.stop()
        raise
    await stopped.wait()
    end_s = time.monotonic() + _DRAIN_S
    if rest is not None:
        server.admission.refuse_new()
        rest.refuse_waiting()
    await server.drain(_DRAIN_S)
    if rest is not None:
        await asyncio.to_thread(rest.close, max(_LAST_REPLIES_S, end_s - time.monotonic()))
    repository.close()
    _log.info("stopped")


def _start_rest(
    settings: ServerSettings,
    listen: ListenOptions,
    repository: ModelRepository,
    instance: Instance,
    admission: Admission,
    metrics: Any,
) -> Any:
    from serverless_dnn.runtime.http.rest_api import RestApi
    from serverless_dnn.runtime.http.rest_options import RestOptions
    from serverless_dnn.runtime.http.rest_server import RestServer
    from serverless_dnn.runtime.http.wsgi_app import make_rest_app

    api = RestApi(
        repository,
        instance,
        admission,
        RestOptions(settings.max_body_bytes, listen.rest_timeout_s),
        observer=metrics.observe,
    )
    pages = {listen.metrics_path: metrics.page} if listen.metrics_path else {}
    return RestServer(
        make_rest_app(api, cors=listen.cors, pages=pages),
        settings.host,
        max(0, listen.rest_port),
        threads=listen.rest_threads,
        max_body_bytes=settings.max_body_bytes,
    )
