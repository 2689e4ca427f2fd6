"""Whom a transfer connects to, and connections that lie or break."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from https_storage import QUERY, SECRET, Storage, StorageHandler, serving
from transferring import BUDGET, download, raises, transfers_to

from serverless_dnn.runtime.deadline import FOREVER
from serverless_dnn.runtime.errors import (
    DeadlineExceededError,
    PermissionDeniedError,
    UnavailableError,
)

PUBLIC = "52.216.8.1"


def test_a_name_is_resolved_once_and_its_peer_is_checked(storage: Storage, caplog: pytest.LogCaptureFixture) -> None:
    # The name is public when it is checked, and this machine's own when it is connected to.
    asked: list[str] = []
    dialled: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return [PUBLIC] if len(asked) == 1 else ["127.0.0.1"]

    def dial(address: str, port: int, timeout_s: float) -> socket.socket:
        dialled.append(address)
        return socket.create_connection(("127.0.0.1", port), timeout_s)

    with raises(PermissionDeniedError, "localhost, which is at not a public address", caplog):
        download(storage, networks=None, resolve=resolve, dial=dial)
    assert (asked, dialled) == (["localhost"], [PUBLIC])
    assert storage.seen == []
    # The operator learns the address, the caller does not.
    assert "127.0.0.1" in caplog.text


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"], ["::1"], [PUBLIC, "127.0.0.1"], [PUBLIC, "10.0.0.1"], ["169.254.169.254"], ["fd00:ec2::254"],
        ["::ffff:127.0.0.1"], ["::ffff:52.216.8.1"], ["64:ff9b::7f00:1"], ["2002:7f00:1::"], ["0.0.0.0"], ["::"],
        ["fe80::1%eth0"], ["224.0.0.1"], ["100.100.100.200"], ["168.63.129.16"],
    ],
)  # fmt: skip
def test_a_name_with_a_refused_address_is_not_connected_to(
    storage: Storage, addresses: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    dialled = []

    def dial(address: str, port: int, timeout_s: float) -> socket.socket:
        dialled.append(address)
        raise ConnectionRefusedError

    with raises(PermissionDeniedError, "does not connect to localhost", caplog):
        download(storage, networks=None, resolve=lambda host, port: addresses, dial=dial)
    assert dialled == []


def test_metadata_is_refused_whatever_is_listed(storage: Storage, caplog: pytest.LogCaptureFixture) -> None:
    for address in ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "64:ff9b::a9fe:a9fe"):
        with raises(PermissionDeniedError, "metadata", caplog):
            download(
                storage,
                networks="127.0.0.0/8,fc00::/7,100.64.0.0/10,64:ff9b::/96",
                resolve=lambda host, port, address=address: ["127.0.0.1", address],
            )
    assert storage.connected == 0


def test_the_next_address_is_tried(storage: Storage) -> None:
    with closing(socket.create_server(("127.0.0.2", 0))) as taken:
        pass
    assert taken.fileno() == -1

    assert download(storage, resolve=lambda host, port: ["127.0.0.2", "127.0.0.1"]) == b"stored"


def test_storage_that_is_not_there(storage: Storage, caplog: pytest.LogCaptureFixture) -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with raises(UnavailableError, "localhost cannot be resolved: Name or service not known", caplog):
        download(storage, resolve=unknown)
    with raises(UnavailableError, "localhost has no address", caplog):
        download(storage, resolve=lambda host, port: [])
    with raises(UnavailableError, "localhost cannot be connected to: Connection refused", caplog):
        download(storage, resolve=lambda host, port: ["127.0.0.3"])


def test_a_certificate_of_another_name_is_refused(storage: Storage, caplog: pytest.LogCaptureFixture) -> None:
    url = storage.url(host="storage.example.com")
    transfers = transfers_to(storage.server_port, resolve=lambda host, port: ["127.0.0.1"])

    with raises(PermissionDeniedError, r"did not prove that it is storage\.example\.com: Hostname mismatch", caplog):
        transfers.download(url, FOREVER, BUDGET)
    with raises(PermissionDeniedError, "Hostname mismatch", caplog):
        transfers.upload(url, "application/json", b"{}", FOREVER)
    assert storage.seen == []


def test_a_certificate_that_nobody_vouches_for_is_refused(
    storage: Storage, make_key: Callable[[], Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = make_key()
    path = tmp_path / "other.pem"
    path.write_bytes(key.private_pem + key.certificate_pem)

    with serving(path) as other, raises(PermissionDeniedError, "localhost did not prove .*SSL_CERT_FILE", caplog):
        download(other)
    assert other.seen == []


@pytest.mark.parametrize(
    "sent",
    [
        b"", b"\r\n", b"HTTP/1.1", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 99 Odd\r\n\r\n", b"HTTP/1.1 200 " + SECRET.encode() * 8000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx", b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\n\r\ncut without an end mark",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabcdefgh", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 70_000,
    ],
)  # fmt: skip
def test_what_is_no_http_or_is_cut_short(storage: Storage, sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    storage.answer = lambda handler: handler.wfile.write(sent) and None

    with raises(UnavailableError, "the download from https://localhost:[0-9]+/bucket/key failed", caplog):
        download(storage)


def _write_and_end(storage: Storage, sent: bytes) -> None:
    """Send all of this, and the mark with which TLS ends."""

    def answer(handler: StorageHandler) -> None:
        handler.wfile.write(sent)
        with suppress(OSError):
            handler.connection.unwrap()  # type: ignore[attr-defined]

    storage.answer = answer


def test_a_body_that_ends_with_its_connection_is_read_if_the_end_is_marked(storage: Storage) -> None:
    _write_and_end(storage, b"HTTP/1.1 200 OK\r\n\r\nwhole")

    assert download(storage) == b"whole"


def test_a_marked_end_does_not_make_a_short_body_whole(storage: Storage, caplog: pytest.LogCaptureFixture) -> None:
    _write_and_end(storage, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort")
    with raises(UnavailableError, "/bucket/key ended after 5 of 10 bytes", caplog):
        download(storage)
    _write_and_end(storage, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n")
    with raises(UnavailableError, "/bucket/key failed: IncompleteRead", caplog):
        download(storage)


@contextmanager
def _plain(sent: bytes) -> Iterator[int]:
    """A server that speaks no TLS."""
    stop = threading.Event()
    with ExitStack() as kept, socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.05)

        def accept() -> None:
            while not stop.is_set():
                with suppress(OSError):
                    connected = kept.enter_context(listening.accept()[0])
                    connected.sendall(sent)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            stop.set()
            thread.join()


def test_storage_without_tls(caplog: pytest.LogCaptureFixture) -> None:
    with _plain(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as port, raises(UnavailableError, "SSL", caplog):
        transfers_to(port).download(f"https://localhost:{port}/bucket/key?{QUERY}", FOREVER, BUDGET)


def test_a_handshake_that_never_ends(caplog: pytest.LogCaptureFixture) -> None:
    with _plain(b"") as port, raises(DeadlineExceededError, r"longer than the 0\.5 s", caplog):
        transfers_to(port, timeout_s=0.5).download(f"https://localhost:{port}/bucket/key?{QUERY}", FOREVER, BUDGET)
