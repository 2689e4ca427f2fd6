"""The gRPC server of a Cloud Run instance: listen, answer, and drain on SIGTERM.

The contract is Cloud Run's (https://cloud.google.com/run/docs/container-contract): plaintext HTTP/2 on ``$PORT``, and
SIGTERM 10 seconds before the end.
"""

import asyncio
import logging
import signal
from concurrent.futures import ThreadPoolExecutor

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health

from serverless_dnn.runtime.cpus import effective_cpus
from serverless_dnn.runtime.errors import UnavailableError
from serverless_dnn.runtime.grpc_calls import GrpcCalls
from serverless_dnn.runtime.grpc_service import MODEL_SERVICE, PREDICTION_SERVICES, GrpcService
from serverless_dnn.runtime.lifecycle import announce_ready
from serverless_dnn.runtime.open_inference_service import OPEN_INFERENCE_SERVICE, OpenInferenceService
from serverless_dnn.runtime.repository import ModelRepository
from serverless_dnn.runtime.settings import ServerSettings
from serverless_dnn.runtime.timing import Instance

_log = logging.getLogger(__name__)
# Cloud Run kills 10 s after SIGTERM; one second is left for the process to end.
DRAIN_S = 9.0


async def serve(settings: ServerSettings, port: int, repository: ModelRepository, instance: Instance) -> None:
    """Answer until SIGTERM or SIGINT, then finish what runs.

    Args:
        settings: How to serve.
        port: The port to listen on; 0 takes any free one.
        repository: The models, loaded.
        instance: Names this process in every answer.

    Raises:
        UnavailableError: The port is taken.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    # Some threads decode and encode while others wait for the engine; calls of one batch wait in a thread each.
    threads = settings.concurrency if settings.batching else min(4 * effective_cpus(), settings.concurrency)
    with ThreadPoolExecutor(threads, "predict") as executor:
        server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", settings.max_body_bytes),
                ("grpc.max_send_message_length", -1),
                # A second server on the same port is a mistake to report, not a load balancer.
                ("grpc.so_reuseport", 0),
            ]
        )
        calls = GrpcCalls(instance, executor, concurrency=settings.concurrency)
        for service in (GrpcService, OpenInferenceService):
            server.add_generic_rpc_handlers(
                service(repository, calls, max_body_bytes=settings.max_body_bytes).handlers()
            )
        servicer = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
        try:
            bound = server.add_insecure_port(f"{settings.host}:{port}")
        except RuntimeError:
            raise UnavailableError(f"cannot listen on {settings.host}:{port}: the port is taken or not ours") from None
        await server.start()
        for name in ("", MODEL_SERVICE, OPEN_INFERENCE_SERVICE, *PREDICTION_SERVICES):
            await servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
        instance.ready()
        announce_ready(settings.ready_file, settings.host, bound)
        await stopped.wait()
        _log.info("draining", extra={"grace_s": DRAIN_S})
        await servicer.enter_graceful_shutdown()
        await server.stop(DRAIN_S)
    repository.close()
    _log.info("stopped")
