"""One gRPC call passed on: messages as bytes, metadata both ways, deadline, cancellation, and the status."""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent import futures
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
import grpc.aio

# Messages are bytes, or ``grpc.aio.EOF``.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


@dataclass(frozen=True)
class Outcome:
    """How a call ended.

    Attributes:
        code: Its status.
        details: What the status says.
        trailing_metadata: What the server added at the end.
        answer: The one message that a unary call was answered with.
    """

    code: grpc.StatusCode
    details: str
    trailing_metadata: Sequence[tuple[str, str | bytes]] = ()
    answer: bytes = b""


async def forward_unary(channel: grpc.aio.Channel, method: str, request: bytes, context: Context) -> Outcome:
    """Pass a call of one message on to a server; cancelling this cancels the call.

    Args:
        channel: Leads to the server.
        method: The method's full name.
        request: The message.
        context: The caller's side.

    Returns:
        How the call ended, which the caller is yet to be told.
    """
    metadata, timeout_s = context.invocation_metadata(), context.time_remaining()
    unary: grpc.aio.UnaryUnaryMultiCallable[Any, Any] = channel.unary_unary(method)
    call = unary(request, metadata=metadata, timeout=timeout_s)
    answer = b""
    try:
        answer = await call
    except grpc.aio.AioRpcError:
        # Its status, read below, says why.
        pass
    except asyncio.CancelledError:
        _raise_if_cancelled(call)
    finally:
        call.cancel()
    await _send_head(tuple(await call.initial_metadata()), context)
    trailing = tuple(await call.trailing_metadata() or ())
    return Outcome(await call.code(), await call.details() or "", trailing, answer)


async def forward_stream(channel: grpc.Channel, method: str, context: Context) -> Outcome:
    """Pass a call of any kind on to a server, and its answers back to the caller; cancelling this cancels the call.

    It takes two threads, because only gRPC's synchronous API keeps the server's status and last answers when a message
    cannot be sent any more since the server has ended the call (https://github.com/grpc/grpc/issues/36066).

    Args:
        channel: Leads to the server.
        method: The method's full name.
        context: The caller's side.

    Returns:
        How the call ended, which the caller is yet to be told.
    """
    loop = asyncio.get_running_loop()
    requests = _Requests(context, loop)
    stream: grpc.StreamStreamMultiCallable[Any, Any] = channel.stream_stream(method)
    call = stream(requests.read(), context.time_remaining(), tuple(context.invocation_metadata() or ()))
    thread = futures.ThreadPoolExecutor(1, "answers")
    answered = loop.run_in_executor(thread, _pass_answers, call, context, loop)
    thread.shutdown(wait=False)
    try:
        await asyncio.wait([answered])
    finally:
        requests.end()
        call.cancel()
    answered.result()
    return Outcome(call.code(), call.details() or "", call.trailing_metadata() or ())


def _pass_answers(call: "grpc._CallIterator[Any]", context: Context, loop: asyncio.AbstractEventLoop) -> None:
    try:
        asyncio.run_coroutine_threadsafe(_send_head(call.initial_metadata(), context), loop).result()
        for answer in call:
            asyncio.run_coroutine_threadsafe(context.write(answer), loop).result()
    except grpc.RpcError:
        # Its status, which is read once this has ended, says why.
        pass


class _Requests:
    """What a caller sends, for gRPC to read in a thread of its own.

    Args:
        context: The caller's side.
        loop: Where it is read.
    """

    def __init__(self, context: Context, loop: asyncio.AbstractEventLoop) -> None:
        self._context = context
        self._loop = loop
        self._reading: futures.Future[Any] | None = None
        self._ended = False

    def read(self) -> Iterator[Any]:
        """Read all messages, in another thread than the loop's."""
        while not self._ended:
            self._reading = asyncio.run_coroutine_threadsafe(self._next(), self._loop)
            try:
                message = self._reading.result()
            except futures.CancelledError:
                return
            if message is grpc.aio.EOF:
                return
            yield message

    def end(self) -> None:
        """Read no more; called in the event loop."""
        self._ended = True
        if self._reading is not None:
            self._reading.cancel()

    async def _next(self) -> Any:
        return grpc.aio.EOF if self._ended else await self._context.read()


async def _send_head(head: Sequence[tuple[str, str | bytes]] | None, context: Context) -> None:
    if head:
        await context.send_initial_metadata(tuple(head))


def _raise_if_cancelled(call: "grpc.aio.UnaryUnaryCall[Any, Any]") -> None:
    """Raise what is being handled, unless gRPC raised it because it is the server that says CANCELLED."""
    if (task := asyncio.current_task()) is None or task.cancelling() or not call.done():
        raise  # noqa: PLE0704 - called from an except block
