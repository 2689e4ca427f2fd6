"""Servers on loopback that answer inference.py's own calls, for models that run in this process."""

import asyncio
import threading
from typing import Any

from serverless_dnn.runtime.errors import ServingError
from serverless_dnn.runtime.http.rest_api import RestApi
from serverless_dnn.runtime.http.rest_options import RestOptions
from serverless_dnn.runtime.http.rest_server import RestServer
from serverless_dnn.runtime.http.wsgi_app import make_rest_app
from serverless_dnn.runtime.inference.admission import Admission
from serverless_dnn.runtime.repository.model_repository import ModelRepository
from serverless_dnn.runtime.settings import GrpcSettings, ServerSettings
from serverless_dnn.runtime.timing import Instance
from serverless_dnn.sagemaker_tfserving.options import SageMakerOptions

_HOST = "127.0.0.1"
_LEAST_THREADS = 8


class InnerServers:
    """TensorFlow Serving's REST and gRPC APIs on loopback.

    Args:
        repository: The models.
        instance: Identifies this process.
        settings: How to serve.
        options: The ports, and how many calls the script can make at once.

    Raises:
        UnavailableError: A port is in use.
    """

    def __init__(
        self, repository: ModelRepository, instance: Instance, settings: ServerSettings, options: SageMakerOptions
    ) -> None:
        grpc_port, rest_port = options.inner_ports(0)
        admission = Admission(max_bytes=settings.max_body_bytes)
        limits = RestOptions(settings.max_body_bytes, options.request_timeout_s)
        api = RestApi(repository, instance, admission, limits)
        self._rest = RestServer(
            make_rest_app(api),
            _HOST,
            rest_port,
            threads=max(_LEAST_THREADS, options.script_workers * options.script_threads),
            max_body_bytes=settings.max_body_bytes,
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="grpc", daemon=True)
        self._thread.start()
        self._grpc: Any = None
        self.ports = (self._run(self._start_grpc(repository, instance, settings, grpc_port)), self._rest.port)

    def stop(self) -> None:
        """Stop both servers; nobody waits for their answers any more."""
        self._rest.close(0)
        self._run(self._grpc.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _start_grpc(
        self, repository: ModelRepository, instance: Instance, settings: ServerSettings, port: int
    ) -> int:
        from serverless_dnn.runtime.rpc.server import GrpcServer

        self._grpc = GrpcServer(settings, GrpcSettings(reflection=False), repository, instance)
        try:
            bound: int = await self._grpc.start(_HOST, port)
        except ServingError:
            await self._grpc.stop()
            raise
        return bound

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
