"""A server for each local platform that does what its requests say: run as ``scripted_server.py http`` or ``grpc``.

A request is words: ``echo TEXT``, ``wait STARTED GO_ON`` (make the one file, answer once the other exists), ``eat MIB``
(use so much memory), ``exit CODE``, ``spin SECONDS`` (of CPU time).
"""

import json
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


def act(request: str) -> str:
    """Do what a request says; the answer begins with this process's id."""
    word, _, rest = request.partition(" ")
    if word == "wait":
        started, go_on = rest.split()
        Path(started).touch()
        while not Path(go_on).exists():
            time.sleep(0.01)
    elif word == "eat":
        eaten = [b"x" * (1 << 20) for _ in range(int(rest))]
        rest = str(len(eaten))
    elif word == "exit":
        os._exit(int(rest))
    elif word == "spin":
        begin_s = time.process_time()
        while time.process_time() - begin_s < float(rest):
            pass
    return f"{os.getpid()} {rest}"


def handler(event: dict[str, Any], _context: object) -> str:
    """The Lambda function."""
    return act(event["request"])


def _announce(port: int) -> None:
    path = Path(os.environ["SDNN_READY_FILE"])
    aside = path.with_suffix(".partial")
    aside.write_text(json.dumps({"port": port}))
    aside.rename(path)


class _Container(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._reply(b"")

    def do_POST(self) -> None:
        self._reply(act(self.rfile.read(int(self.headers["Content-Length"])).decode()).encode())

    def log_message(self, *_arguments: object) -> None:
        return

    def _reply(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _serve_http() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Container)
    _announce(server.server_address[1])
    server.serve_forever()


def _serve_grpc() -> None:
    import grpc

    def unary(request: bytes, context: Any) -> bytes:
        seen = [value for key, value in context.invocation_metadata() if key == "x-said"]
        context.send_initial_metadata((("x-heard", ",".join(seen)),))
        context.set_trailing_metadata((("server-timing", "total;dur=1"), ("some-bin", b"\x00\xff")))
        word, _, rest = request.decode().partition(" ")
        if word == "fail":
            context.abort(grpc.StatusCode[rest], "as it was told")
        if word == "left":
            return str(context.time_remaining()).encode()
        if word == "until-cancelled":
            started, cancelled = rest.split()
            context.add_callback(Path(cancelled).touch)
            Path(started).touch()
            while context.is_active():
                time.sleep(0.01)
        return act(request.decode()).encode()

    def count(request: bytes, _context: Any) -> Any:
        yield from (str(number).encode() for number in range(int(request)))

    def total(requests: Any, _context: Any) -> bytes:
        return str(sum(int(number) for number in requests)).encode()

    def double(requests: Any, _context: Any) -> Any:
        for number in requests:
            yield str(2 * int(number)).encode()

    methods = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "Count": grpc.unary_stream_rpc_method_handler(count),
        "Total": grpc.stream_unary_rpc_method_handler(total),
        "Double": grpc.stream_stream_rpc_method_handler(double),
    }
    server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", -1)])
    predict = {"Predict": methods["Unary"]}
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler("test.Scripted", methods),
            grpc.method_handlers_generic_handler("tensorflow.serving.PredictionService", predict),
        )
    )
    _announce(server.add_insecure_port("127.0.0.1:0"))
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    if "deaf" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _serve_http() if sys.argv[1] == "http" else _serve_grpc()
