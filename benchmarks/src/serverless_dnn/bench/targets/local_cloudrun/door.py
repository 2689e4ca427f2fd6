"""The front door of the local Cloud Run: a gRPC proxy, and the containers behind.

Messages pass as bytes, so that every service and every kind of call does.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import grpc
import grpc.aio

from serverless_dnn.bench.errors import StartError
from serverless_dnn.bench.targets.container import Container, ContainerGone
from serverless_dnn.bench.targets.door_config import DoorConfig
from serverless_dnn.bench.targets.door_process import Ledger, make_pool, run_door
from serverless_dnn.bench.targets.instance_pool import Throttled
from serverless_dnn.bench.targets.local_cloudrun.forwarding import Context, Outcome, forward_stream, forward_unary
from serverless_dnn.bench.targets.records import OUT_OF_MEMORY

_MOST_BYTES = 256 << 20
# As many as a server of ours accepts.
_MOST_METADATA_BYTES = 1 << 20
_OPTIONS = (
    ("grpc.max_receive_message_length", _MOST_BYTES),
    ("grpc.max_send_message_length", _MOST_BYTES),
    ("grpc.max_metadata_size", _MOST_METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", _MOST_METADATA_BYTES),
    # HTTP/2's largest frame, and as much of a message at a time: measured, it makes 4.5 MB a tenth faster.
    ("grpc.http2.max_frame_size", (1 << 24) - 1),
    ("grpc.http2.lookahead_bytes", 16 << 20),
)
_TO_CALLERS = (*_OPTIONS, ("grpc.so_reuseport", 0))
_TO_CONTAINERS = (*_OPTIONS, ("grpc.enable_retries", 0), ("grpc.enable_http_proxy", 0))
# https://cloud.google.com/run/docs/container-contract#env-vars. There is no metadata server here: a closed port fails
# at once, whereas a name lookup may take a while.
_VARIABLES = {
    "PORT": "0",
    "K_SERVICE": "sdnn",
    "K_REVISION": "sdnn-00001-local",
    "K_CONFIGURATION": "sdnn",
    "GCE_METADATA_HOST": "127.0.0.1:1",
}
# Whose methods are all unary but for one of Triton's. Passed on as what they are, calls need no threads of their own.
_UNARY_SERVICES = frozenset(
    {
        "/tensorflow.serving.PredictionService",
        "/tensorflow.serving.ModelService",
        "/inference.GRPCInferenceService",
    }
)
_STREAMS_THERE = frozenset({"/inference.GRPCInferenceService/ModelStreamInfer"})
# Far longer than it takes to see that a process has ended which has closed its connections.
_EXIT_S = 0.5


class _Service:
    """A container, and the connections to it.

    Args:
        container: The container, ready.
    """

    def __init__(self, container: Container) -> None:
        self.container = container
        address = f"127.0.0.1:{container.port}"
        self.unary = grpc.aio.insecure_channel(address, options=_TO_CONTAINERS)
        self.streams = grpc.insecure_channel(address, options=_TO_CONTAINERS)

    async def stop(self, reason: str) -> None:
        """Stop the container: SIGTERM, then SIGKILL 10 s later.

        Args:
            reason: Why, unless it has ended before by itself.
        """
        await self.container.stop(reason)
        await self.unary.close()
        self.streams.close()


# Passes a call on to a container.
Forward: TypeAlias = Callable[[_Service], Awaitable[Outcome]]


class _ServiceLost(Exception):  # noqa: N818 - an outcome, with an answer for the caller
    """A call ended together with its container.

    Args:
        outcome: What the caller gets.
    """

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


class CloudRunDoor(grpc.GenericRpcHandler):
    """A service's containers, and their front door.

    What callers are told is what Cloud Run says (https://cloud.google.com/run/docs/troubleshooting), with the code that
    gRPC gives its HTTP statuses (https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md).

    Args:
        config: The service.

    Attributes:
        ledger: What has happened.
    """

    def __init__(self, config: DoorConfig) -> None:
        self.ledger = Ledger()
        self._config = config
        self._pool = make_pool(config, self._start_service, reusable_after=(asyncio.CancelledError,))
        self._server = grpc.aio.server(options=_TO_CALLERS)
        self._server.add_generic_rpc_handlers((self,))

    async def start(self) -> int:
        """Listen for callers, and return the port."""
        port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        return port

    async def scale_to_zero(self) -> None:
        """Wait until all requests have been answered, and stop all containers."""
        await self._pool.scale_to_zero()

    async def stop(self) -> None:
        """Stop all containers, then stop listening."""
        await self._pool.stop()
        await self._server.stop(None)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """The handler of a method: of any kind, for a call of one message is a stream of one.

        Args:
            handler_call_details: The method.

        Returns:
            The handler.
        """
        method = handler_call_details.method

        async def answer(request: bytes, context: Context) -> bytes:
            return _tell(
                context, await self._answer(lambda service: forward_unary(service.unary, method, request, context))
            )

        async def answer_stream(_requests: object, context: Context) -> None:
            _tell(context, await self._answer(lambda service: forward_stream(service.streams, method, context)))

        if method.rpartition("/")[0] in _UNARY_SERVICES and method not in _STREAMS_THERE:
            return grpc.unary_unary_rpc_method_handler(answer)
        return grpc.stream_stream_rpc_method_handler(answer_stream)

    async def _answer(self, forward: Forward) -> Outcome:
        arrival_ns = time.perf_counter_ns()
        try:
            async with asyncio.timeout(self._config.timeout_s) as limit:
                while True:
                    with contextlib.suppress(ContainerGone):
                        async with self._pool.instance() as service:
                            return await self._ask(service, forward, arrival_ns, limit)
        except _ServiceLost as lost:
            return lost.outcome
        except Throttled:
            return _unavailable("429: The request was aborted because there was no available instance.")
        except StartError as error:
            return _unavailable(f"503: {error}")
        except TimeoutError:
            return _unavailable(f"504: The request was not answered within {self._config.timeout_s:g} s.")

    async def _ask(self, service: _Service, forward: Forward, arrival_ns: int, limit: asyncio.Timeout) -> Outcome:
        container = service.container
        running = container.begin(str(uuid.uuid4()), arrival_ns)
        try:
            outcome = await forward(service)
        except asyncio.CancelledError:
            # The container goes on: a caller that gives up, or has waited for too long, is no fault of it.
            container.end(running, *(("timeout", "504") if limit.expired() else ("error", "CANCELLED")))
            raise
        if outcome.code is grpc.StatusCode.OK:
            container.end(running, "success", None)
        elif outcome.code is grpc.StatusCode.UNAVAILABLE and await container.has_exited(_EXIT_S):
            container.end(running, "error", OUT_OF_MEMORY if container.is_out_of_memory() else "503")
            raise _ServiceLost(_unavailable(f"503: {container.why_exited()}"))
        else:
            container.end(running, "error", outcome.code.name)
        return outcome

    async def _start_service(self, number: int) -> _Service:
        container = Container(f"cloudrun-{number}", self._config, self.ledger, lambda: self._pool.discard(service))
        await container.start(_VARIABLES)
        service = _Service(container)
        container.ready()
        return service


def _tell(context: Context, outcome: Outcome) -> bytes:
    context.set_trailing_metadata(tuple(outcome.trailing_metadata))
    if outcome.code is not grpc.StatusCode.OK:
        context.set_code(outcome.code)
        context.set_details(outcome.details)
    return outcome.answer


def _unavailable(details: str) -> Outcome:
    return Outcome(grpc.StatusCode.UNAVAILABLE, details)


if __name__ == "__main__":
    run_door(CloudRunDoor)
