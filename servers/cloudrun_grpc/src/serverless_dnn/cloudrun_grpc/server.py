"""The gRPC server of a Cloud Run instance: listen, serve, and drain on SIGTERM.

The contract is Cloud Run's (https://cloud.google.com/run/docs/container-contract): plaintext HTTP/2 on ``$PORT``, and
SIGTERM 10 seconds before the instance is killed.
"""

import asyncio
import logging
import signal
from collections.abc import Callable

import grpc.aio

from serverless_dnn.cloudrun_grpc.options import CloudRunOptions
from serverless_dnn.runtime.commands.ready_file import announce_ready
from serverless_dnn.runtime.errors import ServingError
from serverless_dnn.runtime.repository.model_repository import ModelRepository
from serverless_dnn.runtime.rpc.server import GrpcServer
from serverless_dnn.runtime.settings import GrpcSettings, ServerSettings
from serverless_dnn.runtime.timing import Instance

_log = logging.getLogger(__name__)
# Cloud Run sends SIGKILL 10 s after SIGTERM; this leaves one second for the process to exit.
DRAIN_S = 9.0


async def serve(
    settings: ServerSettings,
    grpc_settings: GrpcSettings,
    options: CloudRunOptions,
    repository: ModelRepository,
    instance: Instance,
    before_ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGTERM or SIGINT, then finish the calls in flight.

    Args:
        settings: How to serve.
        grpc_settings: The gRPC settings.
        options: The Cloud Run options.
        repository: The loaded models.
        instance: Identifies this process in every response.
        before_ready: Called once requests can be served, just before readiness is announced.

    Raises:
        UnavailableError: The port is in use.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    others = {}
    metrics = None
    if options.metrics_port is not None:
        from serverless_dnn.runtime.metrics.prometheus import Metrics

        metrics = Metrics()
        others["metrics_port"] = metrics.listen(settings.host, options.metrics_port)
    server = GrpcServer(
        settings,
        grpc_settings,
        repository,
        instance,
        interceptors=_interceptors(options),
        observer=None if metrics is None else metrics.observe,
    )
    if metrics is not None:
        metrics.watch_in_flight(lambda: server.admission.in_work)
    try:
        bound = await server.start(settings.host, options.port)
        before_ready()
        instance.ready()
        announce_ready(settings.ready_file, settings.host, bound, **others)
    except ServingError:
        await server.stop()
        raise
    await stopped.wait()
    await server.drain(DRAIN_S)
    repository.close()
    _log.info("stopped")


def _interceptors(options: CloudRunOptions) -> list[grpc.aio.ServerInterceptor]:
    interceptors: list[grpc.aio.ServerInterceptor] = []
    if options.opentelemetry:
        from serverless_dnn.runtime.metrics.opentelemetry import trace_interceptor

        interceptors.append(trace_interceptor())
    if options.token_audiences:
        from serverless_dnn.cloudrun_grpc.google_keys import GOOGLE_CERTS_URL, GoogleKeys
        from serverless_dnn.cloudrun_grpc.token_check import TokenCheck

        keys = GoogleKeys(options.token_certs_url or GOOGLE_CERTS_URL)
        keys.start()
        identities = None if options.allow_any_identity else options.allowed_identities
        interceptors.append(TokenCheck(keys, options.token_audiences, identities))
    return interceptors
