"""Identity tokens come from where google-auth finds them, are kept, and renewed ahead of time."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from serverless_dnn.client import RequestError
from serverless_dnn.client.credentials.google import id_token_source


def _token(expires_s: float) -> str:
    claims = {"exp": int(expires_s), "aud": "https://service"}
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in ({}, claims, {}))


class _Metadata(BaseHTTPRequestHandler):
    asked: ClassVar[list[str]]
    lifetime_s = 3600.0

    def do_GET(self) -> None:
        body, content_type = b'{"email": "caller@example"}', "application/json"
        if "identity" in self.path:
            content_type = "application/text"
            type(self).asked.append(self.path)
            body = _token(time.time() + self.lifetime_s).encode()
        self.send_response(200)
        self.send_header("Metadata-Flavor", "Google")
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Metadata]]:
    handler = type("Handler", (_Metadata,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        address = f"127.0.0.1:{server.server_port}"
        for name in ("GCE_METADATA_HOST", "GCE_METADATA_IP", "GCE_METADATA_ROOT"):
            monkeypatch.setenv(name, address)
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        import google.auth.compute_engine._metadata as module

        monkeypatch.setattr(module, "_METADATA_IP_ROOT", f"http://{address}", raising=False)
        monkeypatch.setattr(module, "_METADATA_ROOT", f"http://{address}/computeMetadata/v1/", raising=False)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield handler
        server.shutdown()


def test_one_is_kept_until_shortly_before_it_expires(metadata: type[_Metadata]) -> None:
    source = id_token_source("https://service")
    assert metadata.asked == []

    assert source() == source()
    assert len(metadata.asked) == 1
    assert "audience=https" in metadata.asked[0]

    metadata.lifetime_s = 200.0
    short = id_token_source("https://service")
    short()
    short()
    assert len(metadata.asked) == 3


def test_without_any_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", f"{tmp_path}/nope.json")

    with pytest.raises(RequestError, match="no identity token for https://service: GOOGLE_APPLICATION_CREDENTIALS"):
        id_token_source("https://service")()
