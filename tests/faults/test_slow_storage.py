"""Storage that is slow ends a transfer in time, with a clear error."""

import pytest
from https_storage import Answer, Storage, StorageHandler
from transferring import download, in_chunks, raises, transfers_to

from serverless_dnn.runtime.deadline import FOREVER, Deadline
from serverless_dnn.runtime.errors import (
    CancelledError,
    DeadlineExceededError,
)


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
    in_chunks(handler, end=False)
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

    with raises(DeadlineExceededError, r"the download from .* took longer than the 0\.5 s that this server", caplog):
        download(storage, timeout_s=0.5)
    with raises(DeadlineExceededError, "the deadline passed during the download from", caplog):
        download(storage, Deadline.after(0.5))


def test_storage_that_does_not_take_what_is_sent(storage: Storage, caplog: pytest.LogCaptureFixture) -> None:
    def answer(handler: StorageHandler) -> None:
        while not storage.stopped.wait(0.05):
            handler.rfile.read(1000)

    storage.answer = answer
    with raises(DeadlineExceededError, r"the upload to .* took longer than the 0\.5 s", caplog):
        transfers_to(storage.server_port, timeout_s=0.5).upload(
            storage.url(), "application/json", bytes(64 << 20), FOREVER
        )


def test_a_name_that_takes_long_to_resolve(storage: Storage, caplog: pytest.LogCaptureFixture) -> None:
    resolved = []

    def resolve(host: str, port: int) -> list[str]:
        storage.stopped.wait(30)
        resolved.append(host)
        return ["127.0.0.1"]

    with raises(DeadlineExceededError, r"took longer than the 0\.5 s", caplog):
        download(storage, timeout_s=0.5, resolve=resolve)
    # The transfer has ended, the resolver has not.
    assert resolved == []
    assert storage.connected == 0


def test_nothing_is_begun_after_the_deadline(storage: Storage, caplog: pytest.LogCaptureFixture) -> None:
    with raises(DeadlineExceededError, "the deadline passed during the download", caplog):
        download(storage, Deadline.after(0))
    gone = Deadline.after(60)
    gone.cancel()
    with raises(CancelledError, "cancelled during the download", caplog):
        download(storage, gone)
    assert storage.connected == 0


def test_a_caller_that_goes_away_ends_its_download(storage: Storage, caplog: pytest.LogCaptureFixture) -> None:
    deadline = Deadline.after(60)

    def answer(handler: StorageHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n")
        deadline.cancel()
        _drip(handler, b"x" * 300)

    storage.answer = answer
    with raises(CancelledError, "cancelled during the download", caplog):
        download(storage, deadline)
