"""A gRPC server that gives the same answer to every unary call at once."""

import asyncio
import signal

import grpc
import grpc.aio

from serverless_dnn.bench.targets.null_servers.reply import read_reply
from serverless_dnn.bench.targets.ready_file import announce_ready

_OPTIONS = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))


class _Everything(grpc.GenericRpcHandler):
    """Every method there is.

    Args:
        reply: The answer.
    """

    def __init__(self, reply: bytes) -> None:
        self._reply = reply

    def service(self, _details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """The handler of a method: requests and answers stay bytes."""
        return grpc.unary_unary_rpc_method_handler(self._answer)

    async def _answer(self, _request: bytes, _context: object) -> bytes:
        return self._reply


async def _serve() -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    server = grpc.aio.server(options=_OPTIONS)
    server.add_generic_rpc_handlers((_Everything(read_reply()[0]),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    announce_ready(port=port)
    await stopping.wait()
    await server.stop(None)


if __name__ == "__main__":
    asyncio.run(_serve())
