"""An HTTP server on loopback whose answers are whatever bytes a test tells it to send, or none."""

import socket
import socketserver
import threading
import time
from collections.abc import Callable

GOOD = b'{"predictions": [2.5]}'
Answer = Callable[[socket.socket], None]


class Raw:
    """An HTTP server whose answers are whatever bytes it is told to send, one for each request."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.requests = 0
        self.asked = threading.Event()
        raw = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                while _read_request(self.request):
                    raw.requests += 1
                    raw.asked.set()
                    answer = raw.answers.pop(0) if raw.answers else reply(GOOD)
                    try:
                        answer(self.request)
                    except OSError:
                        return

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


def _read_request(connection: socket.socket) -> bool:
    received = b""
    while b"\r\n\r\n" not in received:
        try:
            piece = connection.recv(65536)
        except OSError:
            return False
        if not piece:
            return False
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return True


def reply(body: bytes, *head: str, status: str = "200 OK", content_type: str = "application/json") -> Answer:
    lines = [f"HTTP/1.1 {status}", f"content-type: {content_type}", f"content-length: {len(body)}", *head, "", ""]
    text = "\r\n".join(lines).encode() + body
    return lambda connection: connection.sendall(text)


def hang(connection: socket.socket) -> None:
    connection.recv(1)


def trickle_head(connection: socket.socket) -> None:
    for letter in b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n" * 100:
        connection.sendall(bytes([letter]))
        time.sleep(0.05)


def trickle_body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n")
    for _ in range(1000):
        connection.sendall(b" ")
        time.sleep(0.05)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


def half(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{")
    connection.shutdown(socket.SHUT_RDWR)


def raw_bytes(data: bytes) -> Answer:
    def send(connection: socket.socket) -> None:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_RDWR)

    return send
