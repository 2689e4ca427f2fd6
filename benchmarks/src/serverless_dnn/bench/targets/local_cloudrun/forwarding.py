"""One gRPC call passed on: messages as bytes, metadata both ways, deadline, cancellation, and the status."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
import grpc.aio

# Messages are bytes, or ``grpc.aio.EOF``.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_StreamCall: TypeAlias = "grpc.aio.StreamStreamCall[Any, Any]"
_Call: TypeAlias = "_StreamCall | grpc.aio.UnaryUnaryCall[Any, Any]"


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
    await _pass_head(call, context)
    return await _outcome(call, answer)


async def forward_stream(channel: grpc.aio.Channel, method: str, context: Context) -> Outcome:
    """Pass a call of any kind on to a server, and its answers back to the caller; cancelling this cancels the call.

    Args:
        channel: Leads to the server.
        method: The method's full name.
        context: The caller's side.

    Returns:
        How the call ended, which the caller is yet to be told.
    """
    metadata, timeout_s = context.invocation_metadata(), context.time_remaining()
    call: _StreamCall = channel.stream_stream(method)(metadata=metadata, timeout=timeout_s)
    sending = asyncio.create_task(_pass_requests(context, call))
    try:
        await _pass_answers(call, context)
    except grpc.aio.AioRpcError:
        # Its status, read below, says why.
        pass
    except asyncio.CancelledError:
        _raise_if_cancelled(call)
    finally:
        sending.cancel()
        call.cancel()
    return await _outcome(call)


async def _pass_requests(context: Context, call: _StreamCall) -> None:
    try:
        while (message := await context.read()) is not grpc.aio.EOF:
            await call.write(message)
        await call.done_writing()
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        # The server has ended the call: whoever reads its answers learns why.
        return


async def _pass_answers(call: _StreamCall, context: Context) -> None:
    message = await call.read()
    await _pass_head(call, context)
    while message is not grpc.aio.EOF:
        await context.write(message)
        message = await call.read()


async def _pass_head(call: _Call, context: Context) -> None:
    if head := await call.initial_metadata():
        await context.send_initial_metadata(tuple(head))


async def _outcome(call: _Call, answer: bytes = b"") -> Outcome:
    trailing = tuple(await call.trailing_metadata() or ())
    return Outcome(await call.code(), await call.details() or "", trailing, answer)


def _raise_if_cancelled(call: _Call) -> None:
    """Raise what is being handled, unless gRPC raised it because it is the server that says CANCELLED."""
    if (task := asyncio.current_task()) is None or task.cancelling() or not call.done():
        raise  # noqa: PLE0704 - called from an except block
