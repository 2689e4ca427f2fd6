"""A gRPC channel without asyncio."""

import os
import threading
import time
from typing import Any

import grpc

from serverless_dnn.client.errors import ConnectError, DeadlineError, RequestError
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

_FORK_SUPPORT = "GRPC_ENABLE_FORK_SUPPORT"


class GrpcTransport:
    """Sends requests over one channel; any number of threads may share it.

    Args:
        target: Where it leads.
        options: The client's options.
        channel: A channel to use instead of one of our own; the caller closes it.
    """

    def __init__(self, target: GrpcTarget, options: ClientOptions, channel: grpc.Channel | None = None) -> None:
        self._target = target
        self._given = channel
        self._options = options
        # Read now, so that a file that is missing is not found out by the first call.
        self._credentials = channel_credentials(options) if target.is_tls and channel is None else None
        self._slots = None if options.max_in_flight is None else threading.BoundedSemaphore(options.max_in_flight)
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
        self._methods: dict[str, Any] = {}
        self._pid = os.getpid()
        self._was_awaited = False
        self._is_closed = False

    def method(self, path: str) -> Any:
        """What calls a method with bytes and gives bytes, so that encoding and decoding can be timed.

        Args:
            path: For example ``/tensorflow.serving.PredictionService/Predict``.

        Raises:
            RequestError: The client is closed, or was used before its process was forked.
        """
        found = self._methods.get(path)
        if found is None or self._pid != os.getpid():
            with self._lock:
                self._after_fork()
                found = self._methods.get(path)
                if found is None:
                    found = self._methods[path] = self._open().unary_unary(path)
        return found

    def send(self, request: Request, timeout_s: float, options: ClientOptions) -> Response:
        """See ``Transport``."""
        if self._slots is None:
            return self._send(request, timeout_s, options)
        begin_s = time.monotonic()
        if not self._slots.acquire(timeout=timeout_s):
            raise DeadlineError(f"other calls took all {options.max_in_flight} places for {timeout_s:.3g} s")
        try:
            return self._send(request, max(1e-3, timeout_s - (time.monotonic() - begin_s)), options)
        finally:
            self._slots.release()

    def connect(self, timeout_s: float) -> None:
        """Open the channel's connection, up to HTTP/2's settings, for the next request.

        Args:
            timeout_s: How long that may take.

        Raises:
            ConnectError: It cannot be made in that time: gRPC itself goes on trying.
        """
        with self._lock:
            self._after_fork()
            self._was_awaited = True
            ready = grpc.channel_ready_future(self._open())
        try:
            ready.result(timeout_s)
        except grpc.FutureTimeoutError:
            raise ConnectError(f"cannot reach {self._target.address} within {timeout_s:.3g} s") from None
        finally:
            ready.cancel()

    def close(self) -> None:
        """Close the channel, unless the caller provided it."""
        with self._lock:
            self._is_closed = True
            channel, self._channel = self._channel, None
            self._methods.clear()
            if channel is None or self._pid != os.getpid():
                return
            if self._was_awaited:
                _close_despite_interrupts(channel)
            else:
                channel.close()

    def _send(self, request: Request, timeout_s: float, options: ClientOptions) -> Response:
        metadata = call_metadata(options)
        try:
            body, call = self.method(request.path).with_call(request.body, timeout=timeout_s, metadata=metadata)
        except grpc.RpcError as error:
            raise client_error(error, self._target, timeout_s) from None
        except ValueError:
            # gRPC's word for a channel that was closed meanwhile.
            raise self._closed() from None
        return Response(body, _headers(call, options))

    def _open(self) -> grpc.Channel:
        if self._is_closed:
            raise self._closed()
        if self._given is not None:
            return self._given
        if self._channel is None:
            arguments = channel_arguments(self._target, self._options)
            self._channel = (
                grpc.insecure_channel(self._target.address, arguments)
                if self._credentials is None
                else grpc.secure_channel(self._target.address, self._credentials, arguments)
            )
        return self._channel

    def _after_fork(self) -> None:
        """Start anew in a process forked from the one that had the channel; gRPC can only if it was told before."""
        if self._pid == os.getpid():
            return
        if self._methods and os.environ.get(_FORK_SUPPORT, "").lower() not in ("1", "true"):
            raise RequestError(
                "this client was used before its process was forked, which gRPC does not survive: make the client in "
                f"the new process (in gunicorn, after the fork), or set {_FORK_SUPPORT}=1 before grpc is imported"
            )
        self._pid = os.getpid()
        self._methods.clear()
        self._channel = None

    def _closed(self) -> RequestError:
        return RequestError("this client is closed")


def _close_despite_interrupts(channel: grpc.Channel) -> None:
    """Close a channel whose connection was awaited.

    That takes gRPC up to 0.2 s, and if an interrupt ends it early, the process hangs when it exits (grpcio 1.85).
    """
    closing = threading.Thread(target=channel.close)
    try:
        closing.start()
    except RuntimeError:
        # The interpreter is shutting down and starts no more threads.
        channel.close()
    else:
        closing.join()


def _headers(call: Any, options: ClientOptions) -> dict[str, str]:
    trailing = as_headers(call.trailing_metadata())
    return {**as_headers(call.initial_metadata()), **trailing} if options.keep_response else trailing
