"""HTTP connections whose time-outs hold, however slowly names resolve, peers connect and bytes arrive.

urllib3's time-outs are for each step: each address, each read. A call's is for all of them together.
"""

import http.client
import io
import ipaddress
import socket
import threading
import time
from queue import Empty, SimpleQueue
from typing import Any

import urllib3
import urllib3.connection
from urllib3.exceptions import NewConnectionError


class HttpCall:
    """A call in progress: how long it may take, and how it is broken off.

    Args:
        end_s: When it must be over, on the clock of ``time.monotonic``.
        connect_timeout_s: How long making a connection may take.
    """

    __slots__ = ("_socket", "connect_timeout_s", "end_s", "is_aborted")

    def __init__(self, end_s: float, connect_timeout_s: float) -> None:
        self.end_s = end_s
        self.connect_timeout_s = connect_timeout_s
        self.is_aborted = False
        self._socket: socket.socket | None = None

    def left_s(self) -> float:
        """What is left of its time.

        Raises:
            TimeoutError: Nothing.
        """
        left_s = self.end_s - time.monotonic()
        if left_s <= 0 or self.is_aborted:
            raise TimeoutError("the call's time is over")
        return left_s

    def use(self, connection: socket.socket) -> None:
        """Note the connection it uses."""
        self._socket = connection
        connection.settimeout(self.left_s())

    def abort(self) -> None:
        """Break it off, from another thread."""
        self.is_aborted = True
        connection = self._socket
        if connection is not None:
            try:
                # Past TLS, whose own shutdown would wait for the peer.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            except OSError:
                return


class _Current(threading.local):
    call: HttpCall | None = None


current = _Current()
"""The call that this thread makes: urllib3 has no other way to tell a connection."""


class _Reader(io.RawIOBase):
    """Reads a connection within its call's time; holds the connection open as the stream it was given does."""

    def __init__(self, stream: io.RawIOBase, connection: socket.socket, call: HttpCall) -> None:
        self._stream, self._connection, self._call = stream, connection, call

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read some bytes."""
        self._connection.settimeout(self._call.left_s())
        count: int | None = self._stream.readinto(buffer)
        return count

    def close(self) -> None:
        """Let go of the connection."""
        self._stream.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """A response that is read within its call's time."""

    fp: Any

    def __init__(self, sock: Any, *arguments: Any, **named: Any) -> None:
        super().__init__(sock, *arguments, **named)
        if current.call is not None:
            self.fp = io.BufferedReader(_Reader(self.fp.detach(), sock, current.call), 1 << 16)


class _Timed:
    """What both kinds of connections do differently from urllib3's."""

    response_class = _Response
    sock: Any
    host: str
    port: int | None
    socket_options: Any
    _dns_host: str

    def connect(self) -> None:
        """Connect, and give the call the connection."""
        super().connect()  # type: ignore[misc] # of the connection that this is mixed into
        if current.call is not None:
            current.call.use(self.sock)

    def request(self, *arguments: Any, **named: Any) -> None:
        """Send a request within its call's time."""
        if current.call is not None and self.sock is not None:
            current.call.use(self.sock)
        super().request(*arguments, **named)  # type: ignore[misc] # as above

    def _new_conn(self) -> socket.socket:
        call = current.call or HttpCall(time.monotonic() + 60.0, 10.0)
        end_s = min(call.end_s, time.monotonic() + call.connect_timeout_s)
        try:
            return _connected(self._dns_host, self.port or 0, end_s, self.socket_options)
        except OSError as error:
            raise NewConnectionError(self, str(error) or type(error).__name__) from error  # type: ignore[arg-type]


class TimedHttpConnection(_Timed, urllib3.connection.HTTPConnection):  # type: ignore[misc] # mixed in on purpose
    """A plain connection."""


class TimedHttpsConnection(_Timed, urllib3.connection.HTTPSConnection):  # type: ignore[misc] # mixed in on purpose
    """A connection with TLS."""


def _connected(host: str, port: int, end_s: float, options: Any) -> socket.socket:
    """A connection to the first of a host's addresses that takes one."""
    failed: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in _resolved(host, port, end_s):
        left_s = end_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        opened = socket.socket(family, kind, protocol)
        try:
            for option in options or ():
                opened.setsockopt(*option)
            opened.settimeout(left_s)
            opened.connect(address)
        except OSError as error:
            opened.close()
            failed = error
        else:
            return opened
    raise failed


def _resolved(host: str, port: int, end_s: float) -> list[Any]:
    """A host's addresses; asking for them cannot be broken off, so a name is asked for in a thread of its own."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    answers: SimpleQueue[Any] = SimpleQueue()

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM))
        except OSError as error:
            answers.put(OSError(f"the name {host} cannot be resolved: {error.strerror or error}"))
        except UnicodeError as error:
            answers.put(OSError(f"{host} is not a host's name: {error}"))

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=max(0.0, end_s - time.monotonic()))
    except Empty:
        raise TimeoutError(f"the name {host} was not resolved in time") from None
    if isinstance(answer, OSError):
        raise answer
    found: list[Any] = answer
    return found
