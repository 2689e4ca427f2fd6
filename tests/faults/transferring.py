"""Transfers from and to storage on loopback, and what their errors must not tell."""

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from https_storage import SECRET, Storage, StorageHandler

from serverless_dnn.protos.budget import DecodeBudget
from serverless_dnn.runtime.deadline import FOREVER, Deadline
from serverless_dnn.runtime.errors import (
    ServingError,
)
from serverless_dnn.runtime.http.transfers import Transfers
from serverless_dnn.runtime.settings import TransferOptions

BUDGET = DecodeBudget(1 << 30)


def transfers_to(port: int, **options: Any) -> Transfers:
    network = {name: options.pop(name) for name in ("resolve", "dial") if name in options}
    allowed = {"hosts": f"localhost:{port},storage.example.com:{port}", "networks": "127.0.0.0/8,::1/128"}
    return Transfers(TransferOptions(**(allowed | options)), **network)


def download(storage: Storage, deadline: Deadline = FOREVER, **options: Any) -> bytes:
    return transfers_to(storage.server_port, **options).download(storage.url(), deadline, BUDGET).body


def _whole_text(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


@contextmanager
def raises(kind: type[ServingError], match: str, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The error, and no trace of the signature in it, its traceback or the log."""
    caplog.set_level(logging.DEBUG)
    with pytest.raises(kind, match=match) as raised:
        yield
    assert type(raised.value) is kind
    assert SECRET not in _whole_text(raised.value)
    logging.getLogger("test").error("a request failed", exc_info=raised.value)
    assert SECRET not in caplog.text


def in_chunks(handler: StorageHandler, *chunks: bytes, end: bool = True) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for chunk in chunks:
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
    if end:
        handler.wfile.write(b"0\r\n\r\n")
