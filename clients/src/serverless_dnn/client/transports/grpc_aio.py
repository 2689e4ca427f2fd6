"""gRPC channels for asyncio: one for each event loop, for a channel belongs to the loop it was made in."""

import asyncio
import weakref
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio

from serverless_dnn.client.errors import DeadlineError, RequestError
from serverless_dnn.client.options import ClientOptions
from serverless_dnn.client.transports.grpc_common import (
    GrpcTarget,
    as_headers,
    call_metadata,
    channel_arguments,
    channel_credentials,
    client_error,
)
from serverless_dnn.client.wire.exchange import Request, Response


@dataclass
class _OfLoop:
    channel: grpc.aio.Channel
    slots: asyncio.Semaphore | None
    methods: dict[str, Any] = field(default_factory=dict)


class AsyncGrpcTransport:
    """Sends requests over the channel of the running event loop.

    Args:
        target: Where channels lead.
        options: The client's options.
    """

    def __init__(self, target: GrpcTarget, options: ClientOptions) -> None:
        self._target = target
        self._options = options
        self._credentials = channel_credentials(options) if target.is_tls else None
        self._of_loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _OfLoop] = weakref.WeakKeyDictionary()
        self._is_closed = False

    async def send(self, request: Request, timeout_s: float, options: ClientOptions) -> Response:
        """See ``AsyncTransport``."""
        own = self._own()
        if own.slots is None:
            return await self._send(own, request, timeout_s, options)
        loop = asyncio.get_running_loop()
        begin_s = loop.time()
        try:
            await asyncio.wait_for(own.slots.acquire(), timeout_s)
        except TimeoutError:
            raise DeadlineError(f"other calls took all {options.max_in_flight} places for {timeout_s:.3g} s") from None
        try:
            return await self._send(own, request, max(1e-3, timeout_s - (loop.time() - begin_s)), options)
        finally:
            own.slots.release()

    async def close(self) -> None:
        """Close the channels of all loops that still run."""
        self._is_closed = True
        running = asyncio.get_running_loop()
        for loop, own in list(self._of_loops.items()):
            if loop is running:
                await own.channel.close()
            elif loop.is_running():
                asyncio.run_coroutine_threadsafe(own.channel.close(), loop)
        self._of_loops.clear()

    def _own(self) -> _OfLoop:
        if self._is_closed:
            raise RequestError("this client is closed")
        loop = asyncio.get_running_loop()
        own = self._of_loops.get(loop)
        if own is None:
            arguments = channel_arguments(self._target, self._options)
            channel = (
                grpc.aio.insecure_channel(self._target.address, arguments)
                if self._credentials is None
                else grpc.aio.secure_channel(self._target.address, self._credentials, arguments)
            )
            limit = self._options.max_in_flight
            own = self._of_loops[loop] = _OfLoop(channel, None if limit is None else asyncio.Semaphore(limit))
        return own

    async def _send(self, own: _OfLoop, request: Request, timeout_s: float, options: ClientOptions) -> Response:
        # A callable that returns a token may ask for it over the network.
        metadata = (
            await asyncio.to_thread(call_metadata, options) if callable(options.token) else call_metadata(options)
        )
        method = own.methods.get(request.path)
        if method is None:
            method = own.methods[request.path] = own.channel.unary_unary(request.path)
        try:
            call = method(request.body, timeout=timeout_s, metadata=metadata)
            body = await call
            headers = as_headers(await call.trailing_metadata())
            if options.keep_response:
                headers = {**as_headers(await call.initial_metadata()), **headers}
        except grpc.aio.AioRpcError as error:
            raise client_error(error, self._target, timeout_s) from None
        except grpc.aio.UsageError:
            raise RequestError("this client is closed") from None
        return Response(body, headers)
