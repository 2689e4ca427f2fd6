"""Connections to the storage that callers' URLs name: to checked addresses only, and bounded in time as a whole.

Imported when the first transfer begins: TLS and HTTP take tens of milliseconds of a cold start.
"""

import http.client
import logging
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from serverless_dnn.runtime.deadline import Deadline
from serverless_dnn.runtime.errors import (
    CancelledError,
    DeadlineExceededError,
    PermissionDeniedError,
    UnavailableError,
)
from serverless_dnn.runtime.http.transfer_addresses import Network, why_refused
from serverless_dnn.runtime.http.transfer_url import TransferUrl

_log = logging.getLogger(__name__)

Resolve = Callable[[str, int], Sequence[str]]
Dial = Callable[[str, int, float], socket.socket]


class TransferTime:
    """How long a transfer may take, from resolving the name to the last byte.

    Args:
        deadline: The caller's deadline.
        timeout_s: The server's own limit.
        what: The transfer, as the subject of errors.
    """

    def __init__(self, deadline: Deadline, timeout_s: float, what: str) -> None:
        own = Deadline.after(timeout_s)
        self._caller = deadline
        self._is_own = deadline.at_ns is None or (own.at_ns is not None and own.at_ns < deadline.at_ns)
        self._first = own if self._is_own else deadline
        self._timeout_s = timeout_s
        self._what = what

    def left_s(self) -> float:
        """Seconds left, more than 0.

        Raises:
            CancelledError: The caller is gone.
            DeadlineExceededError: None are left.
        """
        if self._caller.cancelled:
            raise CancelledError(f"the call was cancelled during {self._what}")
        if left_s := self._first.left_s():
            return left_s
        raise self.late()

    def late(self) -> DeadlineExceededError:
        """The error when no time is left."""
        if self._is_own:
            return DeadlineExceededError(
                f"{self._what} took longer than the {self._timeout_s:g} s that this server allows for it"
            )
        return DeadlineExceededError(f"the deadline passed during {self._what}")


@dataclass(frozen=True)
class StorageNetwork:
    """How hosts are reached.

    Attributes:
        allowed: Private networks that they may be in.
        resolve: Gives the addresses of a host and a port.
        dial: Connects to an address and a port within seconds.
        tls: Whose certificates are trusted.
    """

    allowed: Sequence[Network]
    resolve: Resolve
    dial: Dial
    tls: ssl.SSLContext


def resolve_name(host: str, port: int) -> list[str]:
    """The addresses of a host.

    Args:
        host: Its name.
        port: The port to connect to.

    Returns:
        The addresses, in the order in which to try them.

    Raises:
        OSError: The name cannot be resolved.
    """
    return [str(place[0]) for *_, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def dial_address(address: str, port: int, timeout_s: float) -> socket.socket:
    """Connect to an address.

    Args:
        address: An IPv4 or IPv6 address, not a name.
        port: The port.
        timeout_s: How long to try.

    Returns:
        The socket.

    Raises:
        OSError: No connection was made.
    """
    connected = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        connected.settimeout(timeout_s)
        connected.connect((address, port))
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        connected.close()
        raise
    return connected


def make_tls() -> ssl.SSLContext:
    """TLS that trusts the system's authorities, or those of ``SSL_CERT_FILE``, and checks names.

    Returns:
        The context; its sockets need their ``time`` set.
    """
    context = ssl.create_default_context()
    context.sslsocket_class = _TimedSocket
    return context


class _TimedSocket(ssl.SSLSocket):
    """A socket whose every read and write ends when the transfer's time does.

    A socket's own timeout counts anew for every read, so a peer that sends a byte now and then would never meet it.
    """

    time: TransferTime

    def recv_into(self, *args: Any, **options: Any) -> int:
        self.settimeout(self.time.left_s())
        return super().recv_into(*args, **options)

    def send(self, *args: Any, **options: Any) -> int:
        self.settimeout(self.time.left_s())
        return super().send(*args, **options)


class StorageConnection(http.client.HTTPSConnection):
    """A connection for one exchange with the host of a URL.

    Args:
        url: The URL, checked.
        network: How to reach its host.
        time: How long the exchange may take.
    """

    def __init__(self, url: TransferUrl, network: StorageNetwork, time: TransferTime) -> None:
        super().__init__(url.host, url.port, context=network.tls)
        self._url = url
        self._network = network
        self._time = time

    def connect(self) -> None:
        """Resolve the name once, connect to one of its addresses, and make sure who is there.

        Raises:
            PermissionDeniedError: An address must not be connected to.
            UnavailableError: The name has no address, or nothing answers there.
            OSError: TLS failed, in time or not.
        """
        plain = self._dial(self._resolve())
        try:
            # Whatever lies between the check of an address and this socket, the peer must be one that may be asked.
            self._check(str(plain.getpeername()[0]))
            plain.settimeout(self._time.left_s())
            secure = self._network.tls.wrap_socket(
                plain,
                server_hostname=self._url.host,
                do_handshake_on_connect=False,
                # Without its end mark, a body without a length may have been cut.
                suppress_ragged_eofs=False,
            )
        except BaseException:
            plain.close()
            raise
        if not isinstance(secure, _TimedSocket):
            secure.close()
            raise TypeError("the TLS context must be one of make_tls: its sockets meet the deadline")
        self.sock = secure
        secure.time = self._time
        secure.settimeout(self._time.left_s())
        secure.do_handshake()

    def _resolve(self) -> Sequence[str]:
        """The host's addresses, all of them checked: a name with one that is refused is up to something."""
        answers: SimpleQueue[Sequence[str] | OSError] = SimpleQueue()

        def ask() -> None:
            try:
                answers.put(self._network.resolve(self._url.host, self._url.port))
            except OSError as error:
                answers.put(error)

        # The system's resolver knows no deadline. Its own timeouts end the thread.
        Thread(target=ask, name="resolve-storage", daemon=True).start()
        try:
            found = answers.get(timeout=self._time.left_s())
        except Empty:
            raise self._time.late() from None
        if isinstance(found, OSError):
            raise UnavailableError(f"{self._url.host} cannot be resolved: {reason_of(found)}")
        if not found:
            raise UnavailableError(f"{self._url.host} has no address")
        for address in found:
            self._check(address)
        return found

    def _dial(self, addresses: Sequence[str]) -> socket.socket:
        reason = ""
        for tried, address in enumerate(addresses):
            try:
                return self._network.dial(address, self._url.port, self._time.left_s() / (len(addresses) - tried))
            except OSError as error:
                reason = reason_of(error)
        self._time.left_s()
        raise UnavailableError(f"{self._url.host} cannot be connected to: {reason}")

    def _check(self, address: str) -> None:
        if refused := why_refused(address, self._network.allowed):
            # The address is for the operator alone: to a caller it would map the network.
            _log.warning("refused to connect to %s for %s: it is %s", address, self._url.shown, refused)
            raise PermissionDeniedError(
                f"this server does not connect to {self._url.host}, which is at {refused}: its operator can allow "
                "private networks with SDNN_TRANSFER_NETWORKS"
            )


def reason_of(error: Exception) -> str:
    """What went wrong with a connection, without anything the peer sent.

    Args:
        error: The error.

    Returns:
        The system's words, or the error's name.
    """
    return getattr(error, "strerror", None) or type(error).__name__


@contextmanager
def storage_errors(url: TransferUrl, time: TransferTime, what: str) -> Iterator[None]:
    """Turn the errors of a connection into ours.

    Args:
        url: The URL, checked.
        time: How long the exchange may take.
        what: The exchange, as the subject of errors.

    Raises:
        PermissionDeniedError: The host did not prove that it is the one named.
        DeadlineExceededError: The time is over.
        UnavailableError: The host is unreachable, or breaks HTTP or TLS.
    """
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise PermissionDeniedError(
            f"{url.host} did not prove that it is {url.host}: {error.verify_message} (SSL_CERT_FILE names the "
            "authorities that the server trusts)"
        ) from None
    except TimeoutError:
        raise time.late() from None
    except (OSError, http.client.HTTPException) as error:
        raise UnavailableError(f"{what} failed: {reason_of(error)}") from None
