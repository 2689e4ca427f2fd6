"""Storage's answers, right and wrong: what is read and written, what is refused, and no signature leaves the server."""

import gzip
import threading

import numpy as np
import pytest
from https_storage import QUERY, SECRET, Storage, StorageHandler
from transferring import BUDGET, download, in_chunks, raises, transfers_to

from serverless_dnn.runtime.codecs.npy import decode_npy, encode_npy
from serverless_dnn.runtime.deadline import FOREVER, Deadline
from serverless_dnn.runtime.errors import (
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


def test_an_object_is_read(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    body = np.random.default_rng(0).bytes(3_000_001)
    storage.answer = lambda handler: handler.reply(200, body, Content_Type="application/x-npy", Content_Encoding="gzip")

    found = transfers_to(storage.server_port).download(storage.url("/b/a%20key"), Deadline.after(60), BUDGET)

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
    transfers_to(storage.server_port).upload(storage.url(), "application/json", sent, Deadline.after(60))

    assert received == [sent]
    ((method, target, headers),) = storage.seen
    assert (method, target) == ("PUT", f"/bucket/key?{QUERY}")
    assert headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("status", [200, 201, 204])
def test_an_empty_object_is_written(storage: Storage, status: int) -> None:
    storage.answer = lambda handler: handler.reply(status)

    transfers_to(storage.server_port).upload(storage.url(), "application/x-npy", b"", FOREVER)

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
    transfers = transfers_to(storage.server_port)
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

    found = fetch_inputs(request, TransferRequest(storage.url()), transfers_to(storage.server_port), FOREVER, BUDGET)

    assert found.headers == {"content-type": "application/json"}
    assert found.body == b"stored"


def test_nothing_is_read_if_the_response_could_not_be_written(
    storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    urls = TransferRequest(storage.url(), storage.url(host="storage.evil.test"))

    with raises(PermissionDeniedError, r"storage\.evil\.test", caplog):
        fetch_inputs(HttpRequest("POST", "/"), urls, transfers_to(storage.server_port), FOREVER, BUDGET)
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
    transfers = transfers_to(storage.server_port)

    with raises(InvalidArgumentError, f"answered {status}, and redirects are not followed", caplog):
        transfers.download(storage.url(), FOREVER, BUDGET)
    with raises(InvalidArgumentError, f"answered {status}, and redirects are not followed", caplog):
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
    transfers = transfers_to(storage.server_port)
    shown = f"https://localhost:{storage.server_port}/bucket/key"

    with raises(kind, f"the download from {shown} failed: .*{match}", caplog):
        transfers.download(storage.url(), FOREVER, BUDGET)
    with raises(kind, f"the upload to {shown} failed: .*{match}", caplog):
        transfers.upload(storage.url(), "application/json", b"{}", FOREVER)


def test_an_upload_refused_before_its_end_says_why(storage: Storage, caplog: pytest.LogCaptureFixture) -> None:
    # Storage that does not read on closes its side, while much of the body is still to be sent.
    storage.answer = lambda handler: handler.reply(403, b"<Code>AccessDenied</Code>", Connection="close")

    with raises(InvalidArgumentError, r"403 \(AccessDenied\)", caplog):
        transfers_to(storage.server_port).upload(storage.url(), "application/json", bytes(1 << 20), FOREVER)


def test_a_body_over_the_limit_is_not_read(storage: Storage, caplog: pytest.LogCaptureFixture) -> None:
    def answer(handler: StorageHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str((1 << 20) + 1))
        handler.end_headers()
        storage.stopped.wait()

    storage.answer = answer
    with raises(PayloadTooLargeError, "would be 1048577 bytes, more than the 1048576", caplog):
        download(storage, max_mib=1)


def test_a_body_at_the_limit_is_read(storage: Storage) -> None:
    storage.answer = lambda handler: handler.reply(200, bytes(1 << 20))

    assert len(download(storage, max_mib=1)) == 1 << 20


def test_a_body_of_unknown_length_is_read_up_to_the_limit(storage: Storage, caplog: pytest.LogCaptureFixture) -> None:
    storage.answer = lambda handler: in_chunks(handler, b"abc", bytes(100_000), b"def")
    assert download(storage, max_mib=1) == b"abc" + bytes(100_000) + b"def"

    def endless(handler: StorageHandler) -> None:
        in_chunks(handler, end=False)
        while not storage.stopped.is_set():
            handler.wfile.write(b"10000\r\n" + bytes(1 << 16) + b"\r\n")

    storage.answer = endless
    with raises(PayloadTooLargeError, "is larger than the 1048576 bytes", caplog):
        download(storage, max_mib=1)


def test_a_gzip_bomb_stops_at_the_limit(storage: Storage) -> None:
    body = gzip.compress(bytes(64 << 20))
    storage.answer = lambda handler: handler.reply(200, body, Content_Encoding="gzip")
    transfers = transfers_to(storage.server_port, max_mib=1)

    request = fetch_inputs(HttpRequest("POST", "/"), TransferRequest(storage.url()), transfers, FOREVER, BUDGET)

    with pytest.raises(PayloadTooLargeError, match="1048576"):
        inflate(request, transfers.max_bytes, BUDGET)


def test_a_body_takes_memory_of_the_server(storage: Storage) -> None:
    storage.answer = lambda handler: handler.reply(200, bytes(2 << 20))
    admission = Admission(memory_bytes=1 << 20, max_bytes=1 << 30)

    with admission.admit(1000), admission.admit(1000) as place, pytest.raises(ResourceExhaustedError, match="MiB"):
        transfers_to(storage.server_port).download(storage.url(), FOREVER, place.budget)


def test_transfers_of_many_threads(storage: Storage) -> None:
    def answer(handler: StorageHandler) -> None:
        handler.reply(200, handler.path.partition("?")[0].encode() * 10_000)

    storage.answer = answer
    transfers = transfers_to(storage.server_port)
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
        download(storage, max_mib=1)

    # The error still holds what it passed through; the socket must not wait for it.
    assert closed.wait(30)
    assert raised.value.__traceback__ is not None
