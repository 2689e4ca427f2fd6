"""The gRPC server of a Cloud Run instance: listen, answer, and drain on SIGTERM.

The contract is Cloud Run's (https://cloud.google.com/run/docs/container-contract): plaintext HTTP/2 on ``$PORT``, and
SIGTERM 10 seconds before the end.
"""

import asyncio
import logging
import signal

from serverless_dnn.runtime.grpc_server import GrpcServer
from serverless_dnn.runtime.lifecycle import announce_ready
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
    server = GrpcServer(settings, repository, instance)
    (bound,) = await server.start([f"{settings.host}:{port}"])
    instance.ready()
    announce_ready(settings.ready_file, settings.host, bound)
    await stopped.wait()
    await server.drain(DRAIN_S)
    repository.close()
    _log.info("stopped")
