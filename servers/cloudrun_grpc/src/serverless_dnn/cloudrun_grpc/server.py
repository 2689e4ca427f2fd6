"""The gRPC server of a Cloud Run instance: listen, answer, and drain on SIGTERM.

The contract is Cloud Run's (https://cloud.google.com/run/docs/container-contract): plaintext HTTP/2 on ``$PORT``, and
SIGTERM 10 seconds before the end.
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
# Cloud Run kills 10 s after SIGTERM; one second is left for the process to end.
DRAIN_S = 9.0


async def serve(
    settings: ServerSettings,
    grpc_settings: GrpcSettings,
    options: CloudRunOptions,
    repository: ModelRepository,
    instance: Instance,
    before_ready: Callable[[], None] = lambda: None,
) -> None:
    """Answer until SIGTERM or SIGINT, then finish what runs.

    Args:
        settings: How to serve.
        grpc_settings: How to serve gRPC.
        options: What is Cloud Run's.
        repository: The models, loaded.
        instance: Names this process in every answer.
        before_ready: Called when requests can be answered, just before that is told.

    Raises:
        UnavailableError: The port is taken.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    others = {}
    observer = None
    if options.metrics_port is not None:
        from serverless_dnn.runtime.metrics.prometheus import Metrics

        metrics = Metrics()
        observer = metrics.observe
        others["metrics_port"] = metrics.listen(settings.host, options.metrics_port)
    server = GrpcServer(
        settings,
        grpc_settings,
        repository,
        instance,
        interceptors=_interceptors(options),
        observer=observer,
    )
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
