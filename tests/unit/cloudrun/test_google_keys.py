"""Certificates are fetched beside the calls, and those of before stay in use while no others can be had."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from serverless_dnn.cloudrun_grpc import google_keys
from serverless_dnn.cloudrun_grpc.google_keys import GoogleKeys

WAIT_S = 30


class Issuer:
    """Answers with certificates, or with errors, and counts how often it is asked."""

    def __init__(self) -> None:
        self.status = 200
        self.certificates = {"one": "first"}
        self.asked = threading.Semaphore(0)
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(issuer.status)
                self.send_header("Cache-Control", "max-age=3600")
                self.end_headers()
                self.wfile.write(json.dumps(issuer.certificates).encode())
                issuer.asked.release()

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/certs"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    started = Issuer()
    yield started
    started.server.shutdown()


def test_a_token_of_an_unknown_key_has_them_fetched_again_and_again(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(google_keys, "_SOONEST_S", 0.01)
    keys = GoogleKeys(issuer.url)
    keys.start()
    assert keys.certificates == {"one": "first"}
    assert issuer.asked.acquire(timeout=WAIT_S)

    # They are cached for an hour, but for who asks for new ones.
    issuer.certificates = {"two": "second"}
    keys.want_new()
    assert issuer.asked.acquire(timeout=WAIT_S)
    issuer.status = 500
    keys.want_new()
    assert issuer.asked.acquire(timeout=WAIT_S)
    keys.want_new()
    assert issuer.asked.acquire(timeout=WAIT_S)

    assert keys.certificates == {"two": "second"}


def test_without_certificates_they_are_asked_for_until_they_come(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(google_keys, "_RETRY_S", 0.01)
    issuer.status = 503
    keys = GoogleKeys(issuer.url)
    keys.start()
    for _ in range(3):
        assert issuer.asked.acquire(timeout=WAIT_S)
    assert keys.certificates == {}

    issuer.status = 200

    end_s = time.monotonic() + WAIT_S
    while not keys.certificates:
        assert time.monotonic() < end_s
        time.sleep(0.01)
    assert keys.certificates == {"one": "first"}
