"""A link's real process: what goes through it comes out whole, not too soon, and it leaves nothing behind."""

import random
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import psutil
import pytest

from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.targets.link import parse_link
from serverless_dnn.bench.targets.link_shaper import LinkShaper
from serverless_dnn.client import connect

MB = 1_000_000


class _Backend(socketserver.ThreadingTCPServer):
    """What is behind the link: does with each connection what the test says."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, handle: Callable[[socket.socket], None]) -> None:
        self.handle_connection = handle
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(socketserver.BaseRequestHandler):
    server: _Backend

    def handle(self) -> None:
        self.server.handle_connection(self.request)


@pytest.fixture
def through(tmp_path: Path) -> Iterator[Callable[..., int]]:
    """Put a link before a backend: the port of the link."""
    ends: list[Callable[[], None]] = []

    def make(link: str, handle: Callable[[socket.socket], None]) -> int:
        backend = _Backend(handle)
        threading.Thread(target=backend.serve_forever, daemon=True).start()
        ends.extend([backend.server_close, backend.shutdown])
        shaper = LinkShaper(f"http://127.0.0.1:{backend.server_address[1]}", parse_link(link), tmp_path / "link.log")
        ends.append(shaper.stop)
        return int(shaper.url.rpartition(":")[2])

    yield make
    for end in reversed(ends):
        end()
    assert (tmp_path / "link.log").read_text() == ""


def _open(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _read_all(connection: socket.socket) -> bytes:
    pieces = []
    while piece := connection.recv(1 << 16):
        pieces.append(piece)
    return b"".join(pieces)


def _echo(connection: socket.socket) -> None:
    while piece := connection.recv(1 << 16):
        connection.sendall(piece)


def _digest(connection: socket.socket) -> None:
    connection.sendall(sha256(_read_all(connection)).digest())


@pytest.mark.parametrize("link", ["loopback", "latency=4ms,down=400Mbit,up=200Mbit", "latency=30ms"])
def test_bytes_come_through_whole_on_many_connections_at_once(link: str, through: Callable[..., int]) -> None:
    port = through(link, _echo)

    def exchange(seed: int) -> bool:
        chance = random.Random(seed)
        chunks = [chance.randbytes(chance.choice((1, 7, 1460, 70_000, 300_000))) for _ in range(chance.randint(1, 6))]
        with _open(port) as connection, ThreadPoolExecutor(1) as reader:
            answer = reader.submit(_read_all, connection)
            for chunk in chunks:
                connection.sendall(chunk)
            connection.shutdown(socket.SHUT_WR)
            return answer.result() == b"".join(chunks)

    with ThreadPoolExecutor(25) as callers:
        assert all(callers.map(exchange, range(50)))


def test_each_direction_ends_by_itself(through: Callable[..., int]) -> None:
    def talk_then_listen(connection: socket.socket) -> None:
        connection.sendall(b"first")
        connection.shutdown(socket.SHUT_WR)
        heard.append(_read_all(connection))
        done.set()

    heard: list[bytes] = []
    done = threading.Event()
    answered = through("latency=2ms", _digest)
    with _open(answered) as connection:
        connection.sendall(b"a" * 100_000)
        connection.shutdown(socket.SHUT_WR)
        assert _read_all(connection) == sha256(b"a" * 100_000).digest()
    with _open(through("latency=2ms", talk_then_listen)) as connection:
        # The server speaks first, and listens after it has ended.
        assert _read_all(connection) == b"first"
        connection.sendall(b"second")
        connection.shutdown(socket.SHUT_WR)
        assert done.wait(30)
    assert heard == [b"second"]


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    connection.close()


def test_resets_go_through_both_ways(through: Callable[..., int]) -> None:
    def reset_after_a_byte(connection: socket.socket) -> None:
        connection.recv(1)
        _reset(connection)

    def wait_for_the_end(connection: socket.socket) -> None:
        connection.recv(1)
        has_begun.set()
        try:
            _read_all(connection)
        except ConnectionResetError:
            was_reset.set()

    has_begun, was_reset = threading.Event(), threading.Event()
    with _open(through("latency=2ms", reset_after_a_byte)) as connection:
        connection.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            _read_all(connection)
    connection = _open(through("latency=2ms", wait_for_the_end))
    connection.sendall(b"x")
    assert has_begun.wait(30)
    _reset(connection)
    assert was_reset.wait(30)


def test_a_server_that_is_gone_resets_its_callers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    shaper = LinkShaper(f"http://127.0.0.1:{port}", parse_link("latency=2ms"), tmp_path / "link.log")
    try:
        with _open(int(shaper.url.rpartition(":")[2])) as connection, pytest.raises(ConnectionResetError):
            connection.recv(1)
    finally:
        shaper.stop()


def test_a_round_trip_takes_the_latency_and_a_connection_one_more(through: Callable[..., int]) -> None:
    port = through("latency=40ms", _echo)

    begin_s = time.perf_counter()
    with _open(port) as connection:
        connection.sendall(b"x")
        assert connection.recv(1) == b"x"
        first_s = time.perf_counter() - begin_s
        begin_s = time.perf_counter()
        connection.sendall(b"y")
        assert connection.recv(1) == b"y"
        second_s = time.perf_counter() - begin_s

    assert first_s >= 0.080
    assert second_s >= 0.040


def test_each_direction_has_its_bandwidth_and_connections_share_it(through: Callable[..., int]) -> None:
    def send_a_megabyte(connection: socket.socket) -> None:
        connection.recv(1)
        connection.sendall(bytes(MB))

    def download(port: int) -> int:
        with _open(port) as connection:
            connection.sendall(b"x")
            return len(_read_all(connection))

    def upload(port: int) -> bool:
        with _open(port) as connection:
            connection.sendall(bytes(MB))
            connection.shutdown(socket.SHUT_WR)
            return _read_all(connection) == sha256(bytes(MB)).digest()

    link = "latency=2ms,down=40Mbit,up=20Mbit"
    down, up = through(link, send_a_megabyte), through(link, _digest)
    times_s = []
    with ThreadPoolExecutor(2) as callers:
        begin_s = time.perf_counter()
        assert list(callers.map(download, [down, down])) == [MB, MB]
        times_s.append(time.perf_counter() - begin_s)
        begin_s = time.perf_counter()
        assert all(callers.map(upload, [up, up]))
        times_s.append(time.perf_counter() - begin_s)

    # Two megabytes are 16 Mbit.
    assert times_s[0] >= 16 / 40
    assert times_s[1] >= 16 / 20


def test_its_memory_is_bounded_however_slow_the_reader(through: Callable[..., int]) -> None:
    def send_much(connection: socket.socket) -> None:
        try:
            for _ in range(300):
                connection.sendall(bytes(MB))
                sent.append(MB)
        except OSError:
            return

    sent: list[int] = []
    port = through("latency=1ms,down=10Gbit", send_much)
    # Children that have ended, and whom nobody has waited for, have no command line.
    running = [each for each in psutil.Process().children() if each.status() != psutil.STATUS_ZOMBIE]
    [relay] = [each for each in running if "link_relay" in " ".join(each.cmdline())]
    before = relay.memory_info().rss
    with _open(port) as connection:
        assert connection.recv(1) == b"\0"
        known = -1
        # Nothing is read: what the relay does not hold back, it takes.
        while known != len(sent):
            known = len(sent)
            time.sleep(0.5)
        grown = relay.memory_info().rss - before

    assert len(sent) < 300
    assert grown < 32 * MB


def test_a_model_answers_through_it(models: Path, tmp_path: Path, start_server: Callable[..., Any]) -> None:
    address, _ = start_server("sdnn-cloudrun", SDNN_MODEL_BASE_PATH=str(models / "half_plus_two"))
    shaper = LinkShaper(f"grpc://{address}", parse_link("latency=10ms,down=50Mbit,up=50Mbit"), tmp_path / "link.log")
    try:
        with connect(shaper.url, "half_plus_two") as client:
            predictions = [client.predict({"x": [float(number)]}) for number in range(5)]
            large = client.predict({"x": [1.0] * 250_000})
    finally:
        shaper.stop()

    assert [prediction.outputs["y"].tolist() for prediction in predictions] == [[n / 2 + 2] for n in range(5)]
    assert all(prediction.timing.wait_ns >= 10_000_000 for prediction in predictions)
    # A megabyte each way, which overlap.
    assert large.timing.wait_ns >= 160_000_000
    assert large.outputs["y"].shape == (250_000,)


@pytest.mark.parametrize("url", ["unix:/tmp/socket", "https://127.0.0.1:8080", "grpc://localhost", "lambda:name"])
def test_other_targets_are_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="a link leads to a target such as grpc://HOST:PORT"):
        LinkShaper(url, parse_link("lan"), tmp_path / "link.log")


def test_it_keeps_the_rest_of_the_url(tmp_path: Path) -> None:
    shaper = LinkShaper("lambda+http://127.0.0.1:1/sdnn", parse_link("loopback"), tmp_path / "link.log")
    shaper.stop()

    assert shaper.url.startswith("lambda+http://127.0.0.1:")
    assert shaper.url.endswith("/sdnn")


def test_it_dies_with_whoever_started_it(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys, time\n"
        "from serverless_dnn.bench.targets.link import parse_link\n"
        "from serverless_dnn.bench.targets.link_shaper import LinkShaper\n"
        f"shaper = LinkShaper('http://127.0.0.1:1', parse_link('lan'), pathlib.Path({str(tmp_path / 'link.log')!r}))\n"
        "print(shaper.url, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        port = int(starter.stdout.readline().rpartition(":")[2])
        [relay] = psutil.Process(starter.pid).children()
        starter.send_signal(signal.SIGKILL)
        starter.wait()
    relay.wait(30)

    with pytest.raises(ConnectionRefusedError):
        _open(port)
