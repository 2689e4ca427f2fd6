"""A gRPC server for a repository's models: services, health, reflection, limits, TLS and lossless draining."""

import asyncio
import logging
import time
from collections.abc import Sequence
from pathlib import Path

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health

from serverless_dnn.runtime.errors import UnavailableError
from serverless_dnn.runtime.inference.admission import Admission
from serverless_dnn.runtime.inference.drain import drain
from serverless_dnn.runtime.listening import cannot_listen, listen_address
from serverless_dnn.runtime.memory_limit import memory_for_requests
from serverless_dnn.runtime.repository.model_repository import ModelRepository
from serverless_dnn.runtime.rpc.calls import CallObserver, GrpcCalls
from serverless_dnn.runtime.rpc.open_inference import OPEN_INFERENCE_SERVICE, OpenInferenceService
from serverless_dnn.runtime.rpc.reflection import enable_reflection
from serverless_dnn.runtime.rpc.tensorflow_serving import MODEL_SERVICE, PREDICTION_SERVICES, GrpcService
from serverless_dnn.runtime.rpc.tls import server_credentials
from serverless_dnn.runtime.rpc.worker_threads import WorkerThreads
from serverless_dnn.runtime.settings import GrpcSettings, ServerSettings
from serverless_dnn.runtime.timing import Instance

_log = logging.getLogger(__name__)
_SERVING = health_pb2.HealthCheckResponse.SERVING
# Names that TensorFlow Serving's own health service recognises (model_servers/server.cc).
_SHORT_NAMES = ("PredictionService", "ModelService")
# The service that Google's sample gRPC probe checks: the health service itself.
_HEALTH = "grpc.health.v1.Health"
# Connections through NATs and load balancers die silently after some minutes without traffic; proxies may ping at this
# rate without being disconnected.
_KEEPALIVE_MS = 60_000
_MIN_PING_INTERVAL_MS = 10_000
_MAX_METADATA_BYTES = 16 << 10
_MOST_THREADS = 256
# Reserved for gRPC's own shutdown, which cancels whatever is still running.
_STOP_S = 0.5


class GrpcServer:
    """Listens, serves and drains, inside a running event loop.

    Args:
        settings: How to serve.
        grpc_settings: The gRPC settings.
        repository: The loaded models.
        instance: Identifies this process in every response.
        interceptors: Run before every call.
        observer: Called when a call ends.

    Attributes:
        admission: Admits calls, and requests of other protocols in this process.
    """

    def __init__(
        self,
        settings: ServerSettings,
        grpc_settings: GrpcSettings,
        repository: ModelRepository,
        instance: Instance,
        *,
        interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
        observer: CallObserver | None = None,
    ) -> None:
        self._settings = grpc_settings
        self._repository = repository
        # A call waits for its engine in its thread: with fewer threads, the calls of one slow model would starve those
        # of another.
        self._threads = WorkerThreads(min(grpc_settings.concurrency, _MOST_THREADS), "predict")
        self.admission = Admission(
            concurrency=grpc_settings.concurrency,
            memory_bytes=memory_for_requests(),
            max_bytes=settings.max_body_bytes,
        )
        self._server = grpc.aio.server(
            interceptors=interceptors,
            compression=grpc.Compression.Gzip if grpc_settings.compression == "gzip" else None,
            options=[
                ("grpc.max_receive_message_length", settings.max_body_bytes),
                # By default gRPC rejects some calls above 8 KiB of metadata, and all above 16.
                ("grpc.max_metadata_size", _MAX_METADATA_BYTES),
                ("grpc.absolute_max_metadata_size", _MAX_METADATA_BYTES),
                ("grpc.max_send_message_length", -1),
                ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.min_ping_interval_without_data_ms", _MIN_PING_INTERVAL_MS),
                # A second server on the same port is a mistake to report, not a load balancer.
                ("grpc.so_reuseport", 0),
            ],
        )
        calls = GrpcCalls(instance, self._threads, self.admission, observer)
        service = GrpcService(repository, calls, reload_folders=grpc_settings.reload_folders)
        self._server.add_generic_rpc_handlers(service.handlers())
        open_inference = OpenInferenceService(repository, calls)
        self._server.add_generic_rpc_handlers(open_inference.handlers())
        self._health = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if grpc_settings.reflection:
            enable_reflection(self._server)
        self._known_models: set[str] = set()
        self._draining = False

    async def start(self, host: str, port: int, socket_path: Path | None = None) -> int:
        """Start listening, and report SERVING through the health service.

        Args:
            host: The address to listen on.
            port: The port; 0 picks any free one.
            socket_path: A unix socket to listen on too.

        Returns:
            The port listened on.

        Raises:
            UnavailableError: An address cannot be listened on.
            InvalidArgumentError: The certificate or its key cannot be used.
        """
        credentials = server_credentials(self._settings)
        address = listen_address(host, port)
        try:
            if credentials is None:
                bound = self._server.add_insecure_port(address)
            else:
                bound = self._server.add_secure_port(address, credentials)
        except RuntimeError:
            raise cannot_listen(host, port) from None
        if socket_path is not None:
            try:
                self._server.add_insecure_port(f"unix:{socket_path}")
            except RuntimeError:
                raise UnavailableError(f"cannot listen on the unix socket {socket_path}") from None
        await self._server.start()
        for name in ("", _HEALTH, MODEL_SERVICE, OPEN_INFERENCE_SERVICE, *PREDICTION_SERVICES, *_SHORT_NAMES):
            await self._health.set(name, _SERVING)
        await self._tell_models()
        loop = asyncio.get_running_loop()
        self._repository.subscribe(lambda: asyncio.run_coroutine_threadsafe(self._tell_models(), loop))
        return bound

    async def stop(self) -> None:
        """Stop immediately."""
        await self._server.stop(None)
        self._threads.stop()

    async def drain(self, grace_s: float) -> None:
        """Stop accepting calls, finish those in flight, and stop.

        Args:
            grace_s: After this, calls that are still running are cancelled.
        """
        _log.info("draining", extra={"grace_s": grace_s})
        self._draining = True
        await self._health.enter_graceful_shutdown()
        end_s = time.monotonic() + grace_s
        await asyncio.to_thread(drain, self.admission, grace_s - _STOP_S)
        await self._server.stop(max(_STOP_S, end_s - time.monotonic()))
        _log.info("drained", extra={"accepted": self.admission.accepted, "answered": self.admission.answered})
        self._threads.stop()

    async def _tell_models(self) -> None:
        """Report the health of every model that is or was served, under its name."""
        if self._draining:
            return
        served = {servable.model_name for servable in self._repository.all()}
        self._known_models |= served
        for name in self._known_models:
            state = (
                health_pb2.HealthCheckResponse.SERVING if name in served else health_pb2.HealthCheckResponse.NOT_SERVING
            )
            await self._health.set(name, state)
