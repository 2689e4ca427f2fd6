"""Runs a WSGI application on waitress, with separate threads for probes and a drain that loses no reply."""

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer, create_server
from waitress.task import ThreadedTaskDispatcher

from serverless_dnn.runtime.listening import cannot_listen, listen_address

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_log = logging.getLogger(__name__)
# waitress warns of every request that waits for a thread.
logging.getLogger("waitress.queue").setLevel(logging.ERROR)
# waitress reads and writes in pieces of 8 and 18 kB by default, which for a tensor means hundreds of system calls.
_PIECE_BYTES = 1 << 18
# Larger bodies and replies are spooled to temporary files.
_MEMORY_BYTES = 64 << 20
_LOOK_S = 0.01
# Beyond this, connections wait to be accepted, those of probes too; waitress' default is 100.
_MOST_CONNECTIONS = 4096


class _ProbesApart(ThreadedTaskDispatcher):
    """Threads for predictions, and separate ones for everything else, so that it does not queue behind them."""

    def __init__(self, threads: int) -> None:
        super().__init__()
        self.set_thread_count(threads)
        self._probes = ThreadedTaskDispatcher()
        self._probes.set_thread_count(1)
        self._is_draining = False

    def add_task(self, task: Any) -> None:
        """Dispatch a connection whose next request is complete to the right threads."""
        # A request that is not HTTP has no method; waitress answers it.
        if getattr(task.requests[0], "command", "") == "POST" and not self._is_draining:
            super().add_task(task)
        else:
            self._probes.add_task(task)

    def drain(self) -> None:
        """Answer queued and new requests, which will be rejected, without waiting for running predictions."""
        self._is_draining = True
        with self.lock:
            waiting = list(self.queue)
            self.queue.clear()
        for task in waiting:
            self._probes.add_task(task)


class RestServer:
    """Listens in a separate thread.

    Args:
        app: The application to serve.
        host: The address to listen on.
        port: The port; 0 picks any free one.
        threads: Threads for predictions.
        max_body_bytes: The largest body.

    Attributes:
        port: The port listened on.

    Raises:
        UnavailableError: The host is unknown or not this machine, or the port is in use.
    """

    def __init__(self, app: "WSGIApplication", host: str, port: int, *, threads: int, max_body_bytes: int) -> None:
        self._map: dict[int, Any] = {}
        self._dispatcher = _ProbesApart(threads)
        try:
            self._server = create_server(
                app,
                map=self._map,
                _dispatcher=self._dispatcher,
                listen=listen_address(host, port),
                # One byte more than allowed, so that the API's own check responds with a message that states the limit.
                max_request_body_size=max_body_bytes + 1,
                inbuf_overflow=min(max_body_bytes + 1, _MEMORY_BYTES),
                outbuf_overflow=_MEMORY_BYTES,
                recv_bytes=_PIECE_BYTES,
                send_bytes=_PIECE_BYTES,
                connection_limit=_MOST_CONNECTIONS,
                # select() cannot watch file descriptors beyond 1,023.
                asyncore_use_poll=True,
                ident=None,
            )
        except (OSError, ValueError):
            # waitress raises a ValueError for a host it cannot resolve.
            raise cannot_listen(host, port) from None
        # A name with several addresses gets a listener on each; report the port of the first.
        listening = [each for each in self._map.values() if isinstance(each, BaseWSGIServer)]
        self.port = int(listening[0].effective_port)  # type: ignore[attr-defined] # set when it is bound
        threading.Thread(target=self._server.run, name="rest", daemon=True).start()

    def refuse_waiting(self) -> None:
        """Answer predictions queued for a thread at once. The caller must already be refusing predictions."""
        self._dispatcher.drain()

    def close(self, grace_s: float) -> None:
        """Wait until every reply has been sent, then stop. Predictions must already be refused.

        Args:
            grace_s: How long that may take.
        """
        end_s = time.monotonic() + grace_s
        while self._busy() and time.monotonic() < end_s:
            time.sleep(_LOOK_S)
        if busy := self._busy():
            _log.warning("closing connections with unsent replies", extra={"connections": busy})
        self._server.close()

    def _busy(self) -> int:
        """Connections that are receiving or handling a request, or sending a reply."""
        channels = [channel for channel in list(self._map.values()) if isinstance(channel, HTTPChannel)]
        return sum(bool(each.requests or each.request or each.total_outbufs_len) for each in channels)
