"""Storage that is hostile, slow or broken ends a transfer with a clear error, in time, and no signature leaves the server."""

import gzip
import logging
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from https_storage import QUERY, SECRET, Answer, Storage, StorageHandler, serving

from serverless_dnn.protos.budget import DecodeBudget
from serverless_dnn.runtime.codecs.npy import decode_npy, encode_npy
from serverless_dnn.runtime.deadline import FOREVER, Deadline
from serverless_dnn.runtime.errors import (
    CancelledError,
    DeadlineExceededError,
    FailedPreconditionError,
    InvalidArgumentError,
    PayloadTooLargeError,
    PermissionDeniedError,
    ResourceExhaustedError,
    ServingError,
    UnavailableError,
)
from serverless_dnn.runtime.http.bodies import inflate
from serverless_dnn.runtime.http.messages import HttpRequest
from serverless_dnn.runtime.http.transfer_request import TransferRequest
from serverless_dnn.runtime.http.transfers import Transfers, fetch_inputs
from serverless_dnn.runtime.inference.admission import Admission
from serverless_dnn.runtime.settings import TransferOptions

PUBLIC = "52.216.8.1"
BUDGET = DecodeBudget(1 << 30)


@pytest.fixture
def storage(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    """Storage whose certificate is trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serving(certificate) as server:
        yield server


def _transfers(port: int, **options: Any) -> Transfers:
    network = {name: options.pop(name) for name in ("resolve", "dial") if name in options}
    allowed = {"hosts": f"localhost:{port},storage.example.com:{port}", "networks": "127.0.0.0/8,::1/128"}
    return Transfers(TransferOptions(**(allowed | options)), **network)


def _download(storage: Storage, deadline: Deadline = FOREVER, **options: Any) -> bytes:
    return _transfers(storage.server_port, **options).download(storage.url(), deadline, BUDGET).body


def _whole_text(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


@contextmanager
def _raises(kind: type[ServingError], match: str, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The error, and no trace of the signature in it, its traceback or the log."""
    caplog.set_level(logging.DEBUG)
    with pytest.raises(kind, match=match) as raised:
        yield
    assert type(raised.value) is kind
    assert SECRET not in _whole_text(raised.value)
    logging.getLogger("test").error("a request failed", exc_info=raised.value)
    assert SECRET not in caplog.text


def test_an_object_is_read(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    body = np.random.default_rng(0).bytes(3_000_001)
    storage.answer = lambda handler: handler.reply(200, body, Content_Type="application/x-npy", Content_Encoding="gzip")

    found = _transfers(storage.server_port).download(storage.url("/b/a%20key"), Deadline.after(60), BUDGET)

    assert (found.content_type, found.content_encoding) == ("application/x-npy", "gzip")
    assert found.body == body
    ((method, target, headers),) = storage.seen
    assert (method, target) == ("GET", f"/b/a%20key?{QUERY}")
    assert headers["Host"] == f"localhost:{storage.server_port}"
    # The signature covers the object as it is stored.
    assert headers["Accept-Encoding"] == "identity"


def test_an_object_is_written(storage: Storage) -> None:
    sent = np.random.default_rng(0).bytes(3_000_001)
    received = []

    def answer(handler: StorageHandler) -> None:
        received.append(handler.rfile.read(int(handler.headers["Content-Length"])))
        handler.reply(200)

    storage.answer = answer
    _transfers(storage.server_port).upload(storage.url(), "application/json", sent, Deadline.after(60))

    assert received == [sent]
    ((method, target, headers),) = storage.seen
    assert (method, target) == ("PUT", f"/bucket/key?{QUERY}")
    assert headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("status", [200, 201, 204])
def test_an_empty_object_is_written(storage: Storage, status: int) -> None:
    storage.answer = lambda handler: handler.reply(status)

    _transfers(storage.server_port).upload(storage.url(), "application/x-npy", b"", FOREVER)

    assert storage.seen[0][2]["Content-Length"] == "0"


def test_a_request_gets_the_body_behind_its_url(storage: Storage) -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    body = gzip.compress(bytes(encode_npy(array)))
    storage.answer = lambda handler: handler.reply(
        200, body, Content_Type="Application/X-NPY; v=1", Content_Encoding="gzip"
    )
    urls = TransferRequest(storage.url(), storage.url("/out"))
    headers = {"content-type": "application/json", "content-length": "400", "accept": "application/x-npy"}
    request = HttpRequest("POST", "/invocations", "a=b", headers, b"{}")
    transfers = _transfers(storage.server_port)
    admission = Admission(max_bytes=1 << 20)

    with admission.admit(400) as place:
        found = fetch_inputs(request, urls, transfers, FOREVER, place.budget)

        assert place.budget.held_bytes == 400 + len(body)
    assert (found.method, found.path, found.query) == ("POST", "/invocations", "a=b")
    assert found.content_type == "application/x-npy"
    assert found.headers["accept"] == "application/x-npy"
    assert "content-length" not in found.headers
    assert decode_npy(inflate(found, transfers.max_bytes, BUDGET)).tolist() == array.tolist()


def test_an_object_without_a_type_replaces_the_requests_type(storage: Storage) -> None:
    headers = {"content-type": "application/x-npy", "content-encoding": "identity"}
    request = HttpRequest("POST", "/", "", headers, b"{}")

    found = fetch_inputs(request, TransferRequest(storage.url()), _transfers(storage.server_port), FOREVER, BUDGET)

    assert found.headers == {"content-type": "application/json"}
    assert found.body == b"stored"


def test_nothing_is_read_if_the_response_could_not_be_written(
    storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    urls = TransferRequest(storage.url(), storage.url(host="storage.evil.test"))

    with _raises(PermissionDeniedError, r"storage\.evil\.test", caplog):
        fetch_inputs(HttpRequest("POST", "/"), urls, _transfers(storage.server_port), FOREVER, BUDGET)
    assert storage.connected == 0


def test_transfers_can_be_turned_off(storage: Storage) -> None:
    transfers = Transfers(TransferOptions(hosts="none"))

    for call in (
        lambda: transfers.download(storage.url(), FOREVER, BUDGET),
        lambda: transfers.upload(storage.url(), "application/json", b"{}", FOREVER),
        lambda: fetch_inputs(HttpRequest("POST", "/"), TransferRequest(storage.url()), transfers, FOREVER, BUDGET),
    ):
        with pytest.raises(FailedPreconditionError, match="SDNN_TRANSFER_HOSTS"):
            call()
    assert storage.connected == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(storage: Storage, status: int, caplog: pytest.LogCaptureFixture) -> None:
    storage.answer = lambda handler: handler.reply(status, Location=storage.url("/elsewhere"))
    transfers = _transfers(storage.server_port)

    with _raises(InvalidArgumentError, f"answered {status}, and redirects are not followed", caplog):
        transfers.download(storage.url(), FOREVER, BUDGET)
    with _raises(InvalidArgumentError, f"answered {status}, and redirects are not followed", caplog):
        transfers.upload(storage.url(), "application/json", b"{}", FOREVER)
    assert [path for _, path, _ in storage.seen] == [f"/bucket/key?{QUERY}"] * 2


@pytest.mark.parametrize(
    ("status", "code", "kind", "match"),
    [
        (400, "EntityTooLarge", InvalidArgumentError, "400 \\(EntityTooLarge\\)"),
        (403, "AccessDenied", InvalidArgumentError, "403 \\(AccessDenied\\): the URL may have expired"),
        (403, "SignatureDoesNotMatch", InvalidArgumentError, "\\(SignatureDoesNotMatch\\).* content type"),
        (404, "NoSuchKey", InvalidArgumentError, "404 \\(NoSuchKey\\)$"),
        (404, f"No such {SECRET}", InvalidArgumentError, "404$"),
        (405, "", InvalidArgumentError, "405$"),
        (206, "", InvalidArgumentError, "206$"),
        (408, "RequestTimeout", UnavailableError, "408"),
        (429, "", UnavailableError, "429"),
        (500, "InternalError", UnavailableError, "500 \\(InternalError\\)"),
        (503, "SlowDown", UnavailableError, "503 \\(SlowDown\\)"),
    ],
)
def test_errors_of_storage(
    storage: Storage, status: int, code: str, kind: type[ServingError], match: str, caplog: pytest.LogCaptureFixture
) -> None:
    # As S3 does, the answer repeats what was signed.
    body = f"<Error><Code>{code}</Code><StringToSign>{QUERY}</StringToSign></Error>".encode()
    storage.answer = lambda handler: handler.reply(status, body)
    transfers = _transfers(storage.server_port)
    shown = f"https://localhost:{storage.server_port}/bucket/key"

    with _raises(kind, f"the download from {shown} failed: .*{match}", caplog):
        transfers.download(storage.url(), FOREVER, BUDGET)
    with _raises(kind, f"the upload to {shown} failed: .*{match}", caplog):
        transfers.upload(storage.url(), "application/json", b"{}", FOREVER)


def test_an_upload_refused_before_its_end_says_why(storage: Storage, caplog: pytest.LogCaptureFixture) -> None:
    # Storage that does not read on closes its side, while much of the body is still to be sent.
    storage.answer = lambda handler: handler.reply(403, b"<Code>AccessDenied</Code>", Connection="close")

    with _raises(InvalidArgumentError, r"403 \(AccessDenied\)", caplog):
        _transfers(storage.server_port).upload(storage.url(), "application/json", bytes(1 << 20), FOREVER)


def test_a_body_over_the_limit_is_not_read(storage: Storage, caplog: pytest.LogCaptureFixture) -> None:
    def answer(handler: StorageHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str((1 << 20) + 1))
        handler.end_headers()
        storage.stopped.wait()

    storage.answer = answer
    with _raises(PayloadTooLargeError, "would be 1048577 bytes, more than the 1048576", caplog):
        _download(storage, max_mib=1)


def test_a_body_at_the_limit_is_read(storage: Storage) -> None:
    storage.answer = lambda handler: handler.reply(200, bytes(1 << 20))

    assert len(_download(storage, max_mib=1)) == 1 << 20


def _in_chunks(handler: StorageHandler, *chunks: bytes, end: bool = True) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for chunk in chunks:
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
    if end:
        handler.wfile.write(b"0\r\n\r\n")


def test_a_body_of_unknown_length_is_read_up_to_the_limit(storage: Storage, caplog: pytest.LogCaptureFixture) -> None:
    storage.answer = lambda handler: _in_chunks(handler, b"abc", bytes(100_000), b"def")
    assert _download(storage, max_mib=1) == b"abc" + bytes(100_000) + b"def"

    def endless(handler: StorageHandler) -> None:
        _in_chunks(handler, end=False)
        while not storage.stopped.is_set():
            handler.wfile.write(b"10000\r\n" + bytes(1 << 16) + b"\r\n")

    storage.answer = endless
    with _raises(PayloadTooLargeError, "is larger than the 1048576 bytes", caplog):
        _download(storage, max_mib=1)


def test_a_gzip_bomb_stops_at_the_limit(storage: Storage) -> None:
    body = gzip.compress(bytes(64 << 20))
    storage.answer = lambda handler: handler.reply(200, body, Content_Encoding="gzip")
    transfers = _transfers(storage.server_port, max_mib=1)

    request = fetch_inputs(HttpRequest("POST", "/"), TransferRequest(storage.url()), transfers, FOREVER, BUDGET)

    with pytest.raises(PayloadTooLargeError, match="1048576"):
        inflate(request, transfers.max_bytes, BUDGET)


def test_a_body_takes_memory_of_the_server(storage: Storage) -> None:
    storage.answer = lambda handler: handler.reply(200, bytes(2 << 20))
    admission = Admission(memory_bytes=1 << 20, max_bytes=1 << 30)

    with admission.admit(1000), admission.admit(1000) as place, pytest.raises(ResourceExhaustedError, match="MiB"):
        _transfers(storage.server_port).download(storage.url(), FOREVER, place.budget)


def _drip(handler: StorageHandler, text: bytes) -> None:
    """A byte now and then: no single read takes long, but together they take half a minute, and then succeed."""
    for place in range(len(text)):
        handler.wfile.write(text[place : place + 1])
        handler.wfile.flush()
        if handler.server.stopped.wait(30 / len(text)):
            return


def _drip_headers(handler: StorageHandler) -> None:
    _drip(handler, b"HTTP/1.1 200 OK\r\nX-Padding: " + b"x" * 200 + b"\r\nContent-Length: 0\r\n\r\n")


def _drip_continues(handler: StorageHandler) -> None:
    _drip(handler, b"HTTP/1.1 100 Continue\r\n\r\n" * 10 + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def _drip_body(handler: StorageHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n")
    _drip(handler, b"x" * 300)


def _drip_chunks(handler: StorageHandler) -> None:
    _in_chunks(handler, end=False)
    _drip(handler, b"1\r\nx\r\n" * 60 + b"0\r\n\r\n")


def _drip_error(handler: StorageHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 300\r\n\r\n")
    _drip(handler, b"x" * 300)


def _answer_late(handler: StorageHandler) -> None:
    if not handler.server.stopped.wait(30):
        handler.reply(200)


@pytest.mark.parametrize(
    "answer", [_drip_headers, _drip_continues, _drip_body, _drip_chunks, _drip_error, _answer_late]
)
def test_slow_storage_is_cut_off(storage: Storage, answer: Answer, caplog: pytest.LogCaptureFixture) -> None:
    storage.answer = answer

    with _raises(DeadlineExceededError, r"the download from .* took longer than the 0\.5 s that this server", caplog):
        _download(storage, timeout_s=0.5)
    with _raises(DeadlineExceededError, "the deadline passed during the download from", caplog):
        _download(storage, Deadline.after(0.5))


def test_storage_that_does_not_take_what_is_sent(storage: Storage, caplog: pytest.LogCaptureFixture) -> None:
    def answer(handler: StorageHandler) -> None:
        while not storage.stopped.wait(0.05):
            handler.rfile.read(1000)

    storage.answer = answer
    with _raises(DeadlineExceededError, r"the upload to .* took longer than the 0\.5 s", caplog):
        _transfers(storage.server_port, timeout_s=0.5).upload(
            storage.url(), "application/json", bytes(64 << 20), FOREVER
        )


def test_a_name_that_takes_long_to_resolve(storage: Storage, caplog: pytest.LogCaptureFixture) -> None:
    resolved = []

    def resolve(host: str, port: int) -> list[str]:
        storage.stopped.wait(30)
        resolved.append(host)
        return ["127.0.0.1"]

    with _raises(DeadlineExceededError, r"took longer than the 0\.5 s", caplog):
        _download(storage, timeout_s=0.5, resolve=resolve)
    # The transfer has ended, the resolver has not.
    assert resolved == []
    assert storage.connected == 0


def test_nothing_is_begun_after_the_deadline(storage: Storage, caplog: pytest.LogCaptureFixture) -> None:
    with _raises(DeadlineExceededError, "the deadline passed during the download", caplog):
        _download(storage, Deadline.after(0))
    gone = Deadline.after(60)
    gone.cancel()
    with _raises(CancelledError, "cancelled during the download", caplog):
        _download(storage, gone)
    assert storage.connected == 0


def test_a_caller_that_goes_away_ends_its_download(storage: Storage, caplog: pytest.LogCaptureFixture) -> None:
    deadline = Deadline.after(60)

    def answer(handler: StorageHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n")
        deadline.cancel()
        _drip(handler, b"x" * 300)

    storage.answer = answer
    with _raises(CancelledError, "cancelled during the download", caplog):
        _download(storage, deadline)


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

    with _raises(PermissionDeniedError, "localhost, which is at not a public address", caplog):
        _download(storage, networks=None, resolve=resolve, dial=dial)
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

    with _raises(PermissionDeniedError, "does not connect to localhost", caplog):
        _download(storage, networks=None, resolve=lambda host, port: addresses, dial=dial)
    assert dialled == []


def test_metadata_is_refused_whatever_is_listed(storage: Storage, caplog: pytest.LogCaptureFixture) -> None:
    for address in ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "64:ff9b::a9fe:a9fe"):
        with _raises(PermissionDeniedError, "metadata", caplog):
            _download(
                storage,
                networks="127.0.0.0/8,fc00::/7,100.64.0.0/10,64:ff9b::/96",
                resolve=lambda host, port, address=address: ["127.0.0.1", address],
            )
    assert storage.connected == 0


def test_the_next_address_is_tried(storage: Storage) -> None:
    with closing(socket.create_server(("127.0.0.2", 0))) as taken:
        pass
    assert taken.fileno() == -1

    assert _download(storage, resolve=lambda host, port: ["127.0.0.2", "127.0.0.1"]) == b"stored"


def test_storage_that_is_not_there(storage: Storage, caplog: pytest.LogCaptureFixture) -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with _raises(UnavailableError, "localhost cannot be resolved: Name or service not known", caplog):
        _download(storage, resolve=unknown)
    with _raises(UnavailableError, "localhost has no address", caplog):
        _download(storage, resolve=lambda host, port: [])
    with _raises(UnavailableError, "localhost cannot be connected to: Connection refused", caplog):
        _download(storage, resolve=lambda host, port: ["127.0.0.3"])


def test_a_certificate_of_another_name_is_refused(storage: Storage, caplog: pytest.LogCaptureFixture) -> None:
    url = storage.url(host="storage.example.com")
    transfers = _transfers(storage.server_port, resolve=lambda host, port: ["127.0.0.1"])

    with _raises(PermissionDeniedError, r"did not prove that it is storage\.example\.com: Hostname mismatch", caplog):
        transfers.download(url, FOREVER, BUDGET)
    with _raises(PermissionDeniedError, "Hostname mismatch", caplog):
        transfers.upload(url, "application/json", b"{}", FOREVER)
    assert storage.seen == []


def test_a_certificate_that_nobody_vouches_for_is_refused(
    storage: Storage, make_key: Callable[[], Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = make_key()
    path = tmp_path / "other.pem"
    path.write_bytes(key.private_pem + key.certificate_pem)

    with serving(path) as other, _raises(PermissionDeniedError, "localhost did not prove .*SSL_CERT_FILE", caplog):
        _download(other)
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

    with _raises(UnavailableError, "the download from https://localhost:[0-9]+/bucket/key failed", caplog):
        _download(storage)


def _write_and_end(storage: Storage, sent: bytes) -> None:
    """Send all of this, and the mark with which TLS ends."""

    def answer(handler: StorageHandler) -> None:
        handler.wfile.write(sent)
        with suppress(OSError):
            handler.connection.unwrap()  # type: ignore[attr-defined]

    storage.answer = answer


def test_a_body_that_ends_with_its_connection_is_read_if_the_end_is_marked(storage: Storage) -> None:
    _write_and_end(storage, b"HTTP/1.1 200 OK\r\n\r\nwhole")

    assert _download(storage) == b"whole"


def test_a_marked_end_does_not_make_a_short_body_whole(storage: Storage, caplog: pytest.LogCaptureFixture) -> None:
    _write_and_end(storage, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort")
    with _raises(UnavailableError, "/bucket/key ended after 5 of 10 bytes", caplog):
        _download(storage)
    _write_and_end(storage, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n")
    with _raises(UnavailableError, "/bucket/key failed: IncompleteRead", caplog):
        _download(storage)


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
    with _plain(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as port, _raises(UnavailableError, "SSL", caplog):
        _transfers(port).download(f"https://localhost:{port}/bucket/key?{QUERY}", FOREVER, BUDGET)


def test_a_handshake_that_never_ends(caplog: pytest.LogCaptureFixture) -> None:
    with _plain(b"") as port, _raises(DeadlineExceededError, r"longer than the 0\.5 s", caplog):
        _transfers(port, timeout_s=0.5).download(f"https://localhost:{port}/bucket/key?{QUERY}", FOREVER, BUDGET)


def test_transfers_of_many_threads(storage: Storage) -> None:
    def answer(handler: StorageHandler) -> None:
        handler.reply(200, handler.path.partition("?")[0].encode() * 10_000)

    storage.answer = answer
    transfers = _transfers(storage.server_port)
    found: dict[str, bytes] = {}

    def download(path: str) -> None:
        found[path] = transfers.download(storage.url(path), Deadline.after(60), BUDGET).body

    threads = [threading.Thread(target=download, args=(f"/b/{number}",)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == {f"/b/{number}": f"/b/{number}".encode() * 10_000 for number in range(16)}


def test_no_connection_stays_open(storage: Storage) -> None:
    closed = threading.Event()

    def answer(handler: StorageHandler) -> None:
        handler.connection.settimeout(60)
        try:
            # A connection that storage will close belongs to the answer alone.
            handler.reply(200, bytes(2 << 20), Connection="close")
            handler.connection.recv(1)
        except TimeoutError:
            return
        except OSError:
            pass  # Closing with bytes unread resets the connection.
        closed.set()

    storage.answer = answer
    with pytest.raises(PayloadTooLargeError) as raised:
        _download(storage, max_mib=1)

    # The error still holds what it passed through; the socket must not wait for it.
    assert closed.wait(30)
    assert raised.value.__traceback__ is not None
