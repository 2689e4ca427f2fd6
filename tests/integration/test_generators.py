"""The generators of load against a server whose latencies are scripted, and which tells what became of each request."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

from serverless_dnn.bench.errors import LoadError
from serverless_dnn.bench.load.arrivals import constant
from serverless_dnn.bench.load.generator import Call
from serverless_dnn.bench.load.generators import Generators, ProcessGenerators, start_generators
from serverless_dnn.bench.load.steps import ClosedLoop, OpenLoop, Step

# The scorecard is no package.
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "scorecard"))
from synthetic_server import Script, Timeline, synthetic_server, true_latencies_ns

_MS = 1_000_000
_WAIT_S = 30


@pytest.fixture
def call(tmp_path: Path) -> Callable[[str], Call]:
    path = tmp_path / "inputs.npz"
    np.savez(path, x=np.arange(3, dtype=np.float32))
    return lambda url: Call(url, "synthetic", path, {"check_inputs": False, "timeout_s": 60.0})


@contextmanager
def _generators(count: int, call: Call) -> Iterator[Generators]:
    generators = start_generators(count)
    try:
        generators.add("a", call)
        yield generators
    finally:
        generators.close()


def _step(load: ClosedLoop | OpenLoop, *, encode_each: bool = False) -> Step:
    return Step("a", "closed" if isinstance(load, ClosedLoop) else "open", 0, load, encode_each=encode_each)


def _wait(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + _WAIT_S
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def test_the_script_is_a_queue() -> None:
    script = Script((10, 20), places=1, pause_at=2, pause_ms=50, refuse_every=5)
    timeline = Timeline(script)

    planned = [timeline.arrive(arrived_ms * _MS) for arrived_ms in (0, 1, 100, 120, 130)]

    # One after another; the third begins once its pause is over, and the fourth after it; the fifth is refused.
    assert [(each.begin_ns // _MS, each.end_ns // _MS) for each in planned] == [
        (0, 10),
        (10, 30),
        (150, 160),
        (160, 180),
        (130, 130),
    ]
    assert [each.is_refused for each in planned] == [False] * 4 + [True]
    assert true_latencies_ns(Script((10,), pause_at=1, pause_ms=50), [0, 100 * _MS, 120 * _MS, 160 * _MS]) == [
        10 * _MS,
        60 * _MS,
        40 * _MS,
        10 * _MS,
    ]


@pytest.mark.parametrize("generators", [1, 3])
@pytest.mark.parametrize(("requests", "concurrency"), [(31, 4), (3, 8), (7, 1)])
def test_a_closed_loop_sends_each_request_once(
    generators: int, requests: int, concurrency: int, call: Callable[[str], Call]
) -> None:
    with synthetic_server(Script((20,))) as server:
        with _generators(generators, call(server.url)) as sending:
            result = sending.run(_step(ClosedLoop(requests, concurrency=concurrency)))
        served = server.end()

    assert [sample.index for sample in result.samples] == list(range(requests))
    assert all(sample.is_counted and sample.latency_ns >= 20 * _MS for sample in result.samples)
    # Which one the server counted as what is in its answer.
    assert sorted(int(sample.instance or "") for sample in result.samples) == [each.number for each in served]
    assert len(served) == requests
    assert max(each.in_flight for each in served) <= concurrency


@pytest.mark.parametrize("generators", [1, 2])
def test_a_closed_loop_by_time_begins_nothing_later(generators: int, call: Callable[[str], Call]) -> None:
    with synthetic_server(Script((30,))) as server, _generators(generators, call(server.url)) as sending:
        samples = sending.run(_step(ClosedLoop(None, 0.4, 2))).samples

    assert samples
    assert [sample.index for sample in samples] == list(range(len(samples)))
    assert all(0 <= sample.scheduled_ns < 400 * _MS for sample in samples)
    assert {sample.generator for sample in samples} == set(range(generators))


@pytest.mark.parametrize("generators", [1, 2])
@pytest.mark.parametrize("max_in_flight", [1, 512])
def test_latency_counts_from_when_a_request_is_due(
    generators: int, max_in_flight: int, call: Callable[[str], Call]
) -> None:
    pause_ms = 400
    script = Script((1,), pause_at=10, pause_ms=pause_ms)
    due_ns = constant(100, 0.6)
    with synthetic_server(script) as server:
        with _generators(generators, call(server.url)) as sending:
            result = sending.run(_step(OpenLoop(due_ns, max_in_flight)))
        served = server.end()

    assert [sample.scheduled_ns for sample in result.samples] == list(due_ns)
    of_sample = [served[int(sample.instance or "")] for sample in result.samples]
    # The start on the server's clock, at the latest: nothing arrives before it is sent.
    begin_ns = min(each.arrived_ns - sample.sent_ns for each, sample in zip(of_sample, result.samples, strict=True))
    for each, sample in zip(of_sample, result.samples, strict=True):
        assert sample.sent_ns >= sample.scheduled_ns
        assert sample.latency_ns >= each.ended_ns - begin_ns - sample.scheduled_ns
        assert (sample.server_total_ns or 0) <= sample.latency_ns
    # All that were due during the pause waited for its end, sent or not; how long is known from the script alone.
    pause_end_ns = served[script.pause_at or 0].arrived_ns + pause_ms * _MS - begin_ns
    late = [sample for each, sample in zip(of_sample, result.samples, strict=True) if each.number >= 10]
    assert all(sample.latency_ns >= pause_end_ns - sample.scheduled_ns for sample in late)
    assert sum(sample.latency_ns >= 150 * _MS for sample in result.samples) >= 20
    if max_in_flight == 1:
        assert max(each.in_flight for each in served) <= generators


@pytest.mark.parametrize("generators", [1, 2])
def test_a_burst_is_under_way_all_at_once(generators: int, call: Callable[[str], Call]) -> None:
    with synthetic_server(Script((2000,))) as server:
        with _generators(generators, call(server.url)) as sending:
            samples = sending.run(_step(OpenLoop((0,) * 48))).samples
        served = server.end()

    assert len(samples) == len(served) == max(each.in_flight for each in served) == 48


@pytest.mark.parametrize("generators", [1, 2])
def test_failures_are_counted_apart(generators: int, call: Callable[[str], Call]) -> None:
    with synthetic_server(Script((1,), refuse_every=3)) as server, _generators(generators, call(server.url)) as sending:
        samples = sending.run(_step(ClosedLoop(30, concurrency=2))).samples

    assert Counter(sample.status for sample in samples) == {"OK": 20, "RESOURCE_EXHAUSTED": 10}
    for sample in samples:
        assert sample.is_counted == (sample.status == "OK")
        assert (sample.error is None) == (sample.server_total_ns is not None) == sample.is_counted


def test_a_server_that_is_not_there_fails_each_request(call: Callable[[str], Call]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with _generators(1, call(f"grpc://127.0.0.1:{port}")) as sending:
        samples = sending.run(_step(ClosedLoop(3))).samples

    assert [sample.status for sample in samples] == ["ConnectError"] * 3


@pytest.mark.parametrize("generators", [1, 2])
def test_requests_that_cannot_be_made(generators: int, call: Callable[[str], Call]) -> None:
    with (
        _generators(generators, call("nonsense://127.0.0.1")) as sending,
        pytest.raises(LoadError, match=r"requests to a cannot be made: .*nonsense"),
    ):
        sending.run(_step(ClosedLoop(3)))


@pytest.mark.parametrize("generators", [1, 2])
@pytest.mark.parametrize("encode_each", [False, True])
def test_the_same_bytes_are_sent(generators: int, encode_each: bool, call: Callable[[str], Call]) -> None:
    with synthetic_server(Script((0,))) as server:
        with _generators(generators, call(server.url)) as sending:
            samples = sending.run(_step(ClosedLoop(10, concurrency=2), encode_each=encode_each)).samples
        served = server.end()

    assert len({each.body_sha256 for each in served}) == 1
    assert all((sample.encode_ns is not None) == encode_each for sample in samples)


def test_a_configuration_that_has_moved(call: Callable[[str], Call]) -> None:
    with synthetic_server(Script((0,))) as first, synthetic_server(Script((0,))) as second:
        with _generators(1, call(first.url)) as sending:
            sending.run(_step(ClosedLoop(2)))
            sending.add("a", call(second.url))
            sending.run(_step(ClosedLoop(3)))
        assert (len(first.end()), len(second.end())) == (2, 3)


def test_none_begins_before_all_are_ready(call: Callable[[str], Call]) -> None:
    with synthetic_server(Script((0,))) as server:
        sending = ProcessGenerators(2)
        try:
            sending.add("a", call(server.url))
            ready, held = map(psutil.Process, sending.pids)
            threads = ready.num_threads()
            held.suspend()
            with ThreadPoolExecutor(1) as thread:
                running = thread.submit(sending.run, _step(OpenLoop((0,) * 20)))
                # The other one waits with all of its senders.
                _wait(lambda: ready.num_threads() >= threads + 10)
                # Whoever does not wait for the other one has sent its requests by then.
                time.sleep(0.2)
                resumed_ns = time.perf_counter_ns()
                held.resume()
                result = running.result(_WAIT_S)
        finally:
            sending.close()
        served = server.end()

    assert Counter(sample.generator for sample in result.samples) == {0: 10, 1: 10}
    assert min(each.arrived_ns for each in served) > resumed_ns


def test_closing_leaves_no_process(call: Callable[[str], Call]) -> None:
    with synthetic_server(Script((0,))) as server, _generators(2, call(server.url)) as sending:
        assert isinstance(sending, ProcessGenerators)
        pids = sending.pids
        sending.run(_step(ClosedLoop(4, concurrency=2)))
        assert all(map(psutil.pid_exists, pids))

    assert not any(map(psutil.pid_exists, pids))
    sending.close()


def test_a_generator_that_is_killed(call: Callable[[str], Call]) -> None:
    with synthetic_server(Script((10,))) as server, _generators(3, call(server.url)) as sending:
        assert isinstance(sending, ProcessGenerators)
        pids = sending.pids
        with ThreadPoolExecutor(1) as thread:
            running = thread.submit(sending.run, _step(ClosedLoop(None, 600, 3)))
            one = psutil.Process(pids[1])
            _wait(lambda: bool(one.net_connections("tcp")))
            one.kill()
            with pytest.raises(LoadError, match="a generator process ended with -9"):
                running.result(_WAIT_S)
        with pytest.raises(LoadError, match="a generator process ended with -9"):
            sending.run(_step(ClosedLoop(3)))

    assert not any(map(psutil.pid_exists, pids))


def test_a_benchmark_that_is_killed_leaves_no_generator(call: Callable[[str], Call]) -> None:
    program = """
        import sys
        from serverless_dnn.bench.load.generator import Call
        from serverless_dnn.bench.load.generators import ProcessGenerators
        from serverless_dnn.bench.load.steps import ClosedLoop, Step

        generators = ProcessGenerators(2)
        print(*generators.pids, flush=True)
        generators.add("a", Call.from_document(eval(sys.argv[1])))
        generators.run(Step("a", "closed", 0, ClosedLoop(None, 600, 2)))
    """
    with synthetic_server(Script((10,))) as server:
        document = repr(call(server.url).to_document())
        command = [sys.executable, "-c", textwrap.dedent(program), document]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as benchmark:
            assert benchmark.stdout is not None
            workers = [psutil.Process(int(pid)) for pid in benchmark.stdout.readline().split()]
            _wait(lambda: all(worker.net_connections("tcp") for worker in workers))
            benchmark.kill()
        _, alive = psutil.wait_procs(workers, _WAIT_S)

    assert not alive


@pytest.mark.parametrize("generators", [1, 2])
def test_an_interrupt_ends_a_step(generators: int, call: Callable[[str], Call]) -> None:
    with (
        synthetic_server(Script((10,))) as server,
        _generators(generators, call(server.url)) as sending,
        pytest.raises(KeyboardInterrupt),
    ):
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        # The second is due in an hour.
        sending.run(_step(OpenLoop((0, 3600 * 10**9))))

    _wait(lambda: not any(thread.name == "sender" for thread in threading.enumerate()))
