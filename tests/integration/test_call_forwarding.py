"""A call that its server ends before it has read everything keeps the server's status on its way through the proxy."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import grpc.aio
import pytest

from serverless_dnn.bench.targets.local_cloudrun.forwarding import Outcome, forward_stream


class _Caller:
    """Sends without end, as gRPC's context of a caller does."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []

    def invocation_metadata(self) -> tuple[()]:
        return ()

    def time_remaining(self) -> None:
        return None

    async def read(self) -> bytes:
        # Held up here, an event loop that also heard of the status would hear of it together with the failed write.
        time.sleep(0.01)  # noqa: ASYNC251 - to hold up the event loop
        return b"more"

    async def write(self, message: bytes) -> None:
        self.answers.append(message)

    async def send_initial_metadata(self, _metadata: object) -> None:
        return


def _refuse(_requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
    context.abort(grpc.StatusCode.PERMISSION_DENIED, "not yours")


def _answer(_requests: Iterator[bytes], _context: grpc.ServicerContext) -> bytes:
    return b"enough"


class _Impatient(grpc.GenericRpcHandler):
    """Ends every call before it has read a message."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        handlers = {"/test.Impatient/Refuse": _refuse, "/test.Impatient/Answer": _answer}
        behavior = handlers.get(handler_call_details.method)
        return None if behavior is None else grpc.stream_unary_rpc_method_handler(behavior)


@pytest.fixture
def address() -> Iterator[str]:
    """Of a server that reads nothing."""
    server = grpc.server(ThreadPoolExecutor(1), [_Impatient()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("Refuse", (grpc.StatusCode.PERMISSION_DENIED, "not yours", [])),
        ("Answer", (grpc.StatusCode.OK, "", [b"enough"])),
        ("Nope", (grpc.StatusCode.UNIMPLEMENTED, "Method not found!", [])),
    ],
)
def test_the_status_is_the_servers(address: str, method: str, expected: tuple[object, ...]) -> None:
    async def forward(channel: grpc.Channel) -> tuple[Outcome, list[bytes]]:
        caller = _Caller()
        return await forward_stream(channel, f"/test.Impatient/{method}", caller), caller.answers

    async def many() -> list[tuple[Outcome, list[bytes]]]:
        with grpc.insecure_channel(address) as channel:
            return [await forward(channel) for _ in range(60)]

    seen = [(outcome.code, outcome.details, answers) for outcome, answers in asyncio.run(many())]

    assert seen == [expected] * 60
