"""HTTP, with and without asyncio, over one pool of connections."""

import asyncio
import os
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError, ProtocolError

from serverless_dnn.client.errors import ClientError, DeadlineError, RequestError, ResponseError
from serverless_dnn.client.options import ClientOptions, Signer, TlsOptions
from serverless_dnn.client.transports.http_connection import (
    HttpCall,
    TimedHttpConnection,
    TimedHttpsConnection,
    current,
)
from serverless_dnn.client.transports.http_errors import client_error
from serverless_dnn.client.transports.proxies import proxy_of
from serverless_dnn.client.transports.tokens import bearer
from serverless_dnn.client.wire.exchange import Request, Response

# A thread that breaks off at its deadline is given this long to say so itself: it knows best where the time went.
_GRACE_S = 0.1


class HttpTransport:
    """Sends requests over connections that are kept open; any number of threads may share it.

    Args:
        base_url: ``http(s)://host[:port]``.
        options: The client's options.
        signer: Signs each request; ``None`` signs none.
    """

    def __init__(self, base_url: str, options: ClientOptions, signer: Signer | None = None) -> None:
        self._base_url = base_url.rstrip("/")
        self._options = options
        self._signer = signer
        self._tls = None if options.tls is None else _tls_context(options.tls)
        self._slots = None if options.max_in_flight is None else threading.BoundedSemaphore(options.max_in_flight)
        self._pid = os.getpid()
        self._is_closed = False
        self._pool = self._make_pool()

    def send(
        self, request: Request, timeout_s: float, options: ClientOptions, call: HttpCall | None = None
    ) -> Response:
        """See ``Transport``; a call can be given to break it off."""
        call = call or HttpCall(time.monotonic() + timeout_s, options.connect_timeout_s)
        if self._slots is None:
            return self._send(request, timeout_s, options, call)
        if not self._slots.acquire(timeout=timeout_s):
            raise DeadlineError(f"other calls took all {options.max_in_flight} places for {timeout_s:.3g} s")
        try:
            return self._send(request, timeout_s, options, call)
        finally:
            self._slots.release()

    def connect(self, timeout_s: float) -> None:
        """Open a connection, through the proxy and with TLS if there are any, and keep it for the next request.

        Args:
            timeout_s: How long that may take.

        Raises:
            ClientError: It cannot be made.
        """
        current.call = call = HttpCall(time.monotonic() + timeout_s, timeout_s)
        try:
            pool: Any = self._pool.connection_from_url(self._base_url)
            pool.open()
        except (HTTPError, OSError, ValueError) as error:
            raise client_error(error, self._base_url, timeout_s, call) from None
        finally:
            current.call = None

    def close(self) -> None:
        """Close the connections."""
        self._is_closed = True
        self._pool.clear()

    def _make_pool(self) -> urllib3.PoolManager:
        parts = urlsplit(self._base_url)
        named: dict[str, Any] = {"num_pools": 1, "maxsize": self._options.connections, "retries": False}
        if self._tls is not None:
            named["ssl_context"] = self._tls
        proxy = proxy_of(parts.hostname or "", is_tls=parts.scheme == "https", proxy=self._options.proxy)
        try:
            pool = urllib3.PoolManager(**named) if proxy is None else urllib3.ProxyManager(proxy, **named)
        except (HTTPError, ValueError) as error:
            raise RequestError(f"the proxy {proxy!r} cannot be used: {error}") from None
        pool.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
        return pool

    def _send(self, request: Request, timeout_s: float, options: ClientOptions, call: HttpCall) -> Response:
        if self._is_closed:
            raise RequestError("this client is closed")
        if self._pid != os.getpid():
            # A connection that two processes read gives each half of an answer.
            self._pid, self._pool = os.getpid(), self._make_pool()
        headers = self._headers(request, options)
        limit = options.max_response_bytes
        current.call = call
        try:
            call.left_s()
            response = self._pool.request(
                request.method,
                self._base_url + request.path,
                body=request.body,
                headers=headers,
                # Connections take their time from the call.
                timeout=urllib3.Timeout(connect=timeout_s, read=timeout_s),
                redirect=False,
                preload_content=False,
            )
            body = response.read(limit + 1)
            _check_length(body, limit, response)
        except (HTTPError, OSError, ValueError, TypeError) as error:
            raise client_error(error, self._base_url, timeout_s, call) from None
        finally:
            current.call = None
        if len(body) > limit:
            response.close()
            raise ResponseError(f"the answer is larger than the {limit} bytes this client takes")
        response.release_conn()
        return Response(body, {name.lower(): value for name, value in response.headers.items()}, response.status)

    def _headers(self, request: Request, options: ClientOptions) -> Mapping[str, str]:
        headers = {**request.headers, **{name.lower(): value for name, value in options.headers.items()}}
        if (token := bearer(options)) is not None:
            headers["authorization"] = token
        if self._signer is None:
            return headers
        try:
            return self._signer(request.method, self._base_url + request.path, headers, request.body)
        except ClientError:
            raise
        except Exception as error:
            raise RequestError(f"the request cannot be signed: {type(error).__name__}: {error}") from error


class AsyncHttpTransport:
    """The same for asyncio: calls are made in threads, as many as there are connections.

    Args:
        base_url: ``http(s)://host[:port]``.
        options: The client's options.
        signer: Signs each request; ``None`` signs none.
    """

    def __init__(self, base_url: str, options: ClientOptions, signer: Signer | None = None) -> None:
        self._inner = HttpTransport(base_url, options, signer)
        self._options = options
        self._base_url = base_url
        self._is_closed = False
        self._pid = 0
        self._threads: ThreadPoolExecutor | None = None

    async def send(self, request: Request, timeout_s: float, options: ClientOptions) -> Response:
        """See ``AsyncTransport``."""
        call = HttpCall(time.monotonic() + timeout_s, options.connect_timeout_s)
        work = self._submit(self._inner.send, request, timeout_s, options, call)
        future = asyncio.wrap_future(work)
        try:
            return await asyncio.wait_for(asyncio.shield(future), timeout_s + _GRACE_S)
        except TimeoutError as error:
            if isinstance(error, ClientError):
                raise
            _break_off(call, work)
            raise DeadlineError(f"no answer from {self._base_url} within {timeout_s:.3g} s") from None
        except asyncio.CancelledError:
            _break_off(call, work)
            raise

    async def close(self) -> None:
        """Close the connections."""
        self._is_closed = True
        self._inner.close()
        if self._threads is not None:
            self._threads.shutdown(wait=False)

    def _submit(self, send: Callable[..., Response], *arguments: Any) -> Any:
        if self._is_closed:
            raise RequestError("this client is closed")
        if self._threads is None or self._pid != os.getpid():
            self._pid = os.getpid()
            count = min(self._options.connections, self._options.max_in_flight or self._options.connections)
            self._threads = ThreadPoolExecutor(count, "serverless-dnn-client")
        return self._threads.submit(send, *arguments)


def _break_off(call: HttpCall, work: Any) -> None:
    call.abort()
    work.cancel()
    # Nobody waits for it any more.
    work.add_done_callback(lambda done: done.cancelled() or done.exception())


class _Opened:
    """A pool that can connect before its first request."""

    def open(self) -> None:
        """Make a connection, and keep it."""
        pool: Any = self
        connection = pool._get_conn()  # noqa: SLF001 - of the pool that this is mixed into
        if pool.proxy is not None and pool.scheme == "https":
            pool._prepare_proxy(connection)  # noqa: SLF001
        else:
            connection.connect()
        pool._put_conn(connection)  # noqa: SLF001


class _HttpPool(_Opened, urllib3.HTTPConnectionPool):
    ConnectionCls = TimedHttpConnection  # type: ignore[assignment] # typeshed knows a protocol alone


class _HttpsPool(_Opened, urllib3.HTTPSConnectionPool):
    ConnectionCls = TimedHttpsConnection  # type: ignore[assignment] # as above


def _check_length(body: bytes, limit: int, response: Any) -> None:
    if len(body) <= limit and response.length_remaining:
        raise ProtocolError(f"{response.length_remaining} bytes of the answer are missing")


def _tls_context(tls: TlsOptions) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=tls.root_certificates)
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.private_key)
    except (OSError, ssl.SSLError) as error:
        raise RequestError(f"the TLS files cannot be used: {error}") from None
    return context
