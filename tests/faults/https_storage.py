"""An HTTPS server on loopback that stands in for storage, and answers as a test decides."""

import http.server
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

SECRET = "c0ffee5ec4e7"
QUERY = f"X-Amz-Expires=900&X-Amz-Signature={SECRET}"
Answer = Callable[["StorageHandler"], None]


class StorageHandler(http.server.BaseHTTPRequestHandler):
    """Leaves the answer to the server's test."""

    protocol_version = "HTTP/1.1"
    server: "Storage"

    def handle_one_request(self) -> None:
        with suppress(OSError):
            super().handle_one_request()

    def _answer(self) -> None:
        self.close_connection = True
        self.server.seen.append((self.command, self.path, dict(self.headers)))
        self.server.answer(self)

    do_DELETE = do_GET = do_PUT = _answer  # noqa: N815 - the names that http.server calls

    def log_message(self, *args: object) -> None:
        """Nothing: the tests look at what was seen."""

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in ({"Content-Length": str(len(body))} | named).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class Storage(http.server.ThreadingHTTPServer):
    """An HTTPS server on loopback whose answers a test decides."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, certificate: Path) -> None:
        super().__init__(("127.0.0.1", 0), StorageHandler)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
        self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.answer: Answer = lambda handler: handler.reply(200, b"stored")
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.connected = 0
        self.stopped = threading.Event()

    def verify_request(self, *args: Any) -> bool:
        self.connected += 1
        return True

    def handle_error(self, *args: Any) -> None:
        """Nothing: clients that give up are what is tested."""

    def url(self, path: str = "/bucket/key", host: str = "localhost") -> str:
        return f"https://{host}:{self.server_port}{path}?{QUERY}"


@contextmanager
def serving(certificate: Path) -> Iterator[Storage]:
    """Run the server for a while."""
    with Storage(certificate) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.stopped.set()
            server.shutdown()
            thread.join()
