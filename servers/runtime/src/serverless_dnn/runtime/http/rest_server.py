"""A WSGI application behind waitress: probes apart from predictions, and a drain that loses no reply."""

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
# waitress reads and writes in pieces of 8 and 18 kB by default, which for a tensor are hundreds of system calls.
_PIECE_BYTES = 1 << 18
# Bodies and replies beyond this lie in temporary files until it is their turn.
_MEMORY_BYTES = 64 << 20
_LOOK_S = 0.01


class _ProbesApart(ThreadedTaskDispatcher):
    """Threads for predictions, and others for all else, which would have to wait behind them."""

    def __init__(self, threads: int) -> None:
        super().__init__()
        self.set_thread_count(threads)
        self._probes = ThreadedTaskDispatcher()
        self._probes.set_thread_count(1)
        self._is_draining = False

    def add_task(self, task: Any) -> None:
        """Hand a connection whose next request is complete to its threads."""
        if task.requests[0].command == "POST" and not self._is_draining:
            super().add_task(task)
        else:
            self._probes.add_task(task)

    def drain(self) -> None:
        """Have what waits, and what comes, answered apart from what runs: it is going to be refused."""
        self._is_draining = True
        with self.lock:
            waiting = list(self.queue)
            self.queue.clear()
        for task in waiting:
            self._probes.add_task(task)


class RestServer:
    """Listens in a thread of its own.

    Args:
        app: Answers the requests.
        host: The address to listen on.
        port: The port; 0 takes any free one.
        threads: Threads for predictions.
        max_body_bytes: The largest body.

    Attributes:
        port: The port listened on.

    Raises:
        UnavailableError: The host is not known or not this machine's, or the port is taken.
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
                # One byte more than allowed, so that the API's own check answers with its size in words.
                max_request_body_size=max_body_bytes + 1,
                inbuf_overflow=min(max_body_bytes + 1, _MEMORY_BYTES),
                outbuf_overflow=_MEMORY_BYTES,
                recv_bytes=_PIECE_BYTES,
                send_bytes=_PIECE_BYTES,
                ident=None,
            )
        except (OSError, ValueError):
            # waitress' own word for a host that it cannot find is a ValueError.
            raise cannot_listen(host, port) from None
        # A name with several addresses is listened on at each of them, with the port of the first.
        listening = [each for each in self._map.values() if isinstance(each, BaseWSGIServer)]
        self.port = int(listening[0].effective_port)  # type: ignore[attr-defined] # set when it is bound
        threading.Thread(target=self._server.run, name="rest", daemon=True).start()

    def refuse_waiting(self) -> None:
        """Answer at once the predictions that wait for a thread. They must be refused from now on."""
        self._dispatcher.drain()

    def close(self, grace_s: float) -> None:
        """Wait until every reply is with its caller, and end. Predictions must be refused already.

        Args:
            grace_s: How long that may take.
        """
        end_s = time.monotonic() + grace_s
        while self._busy() and time.monotonic() < end_s:
            time.sleep(_LOOK_S)
        if busy := self._busy():
            _log.warning("replies are cut off", extra={"connections": busy})
        self._server.close()

    def _busy(self) -> int:
        """Connections with a request that is being received or answered, or a reply that is being sent."""
        channels = [channel for channel in list(self._map.values()) if isinstance(channel, HTTPChannel)]
        return sum(bool(each.requests or each.request or each.total_outbufs_len) for each in channels)
