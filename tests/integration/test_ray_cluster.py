"""Generators on a Ray cluster of two nodes, each a raylet of its own on this machine; `hatch run ray:test`."""

import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

from serverless_dnn.bench.errors import LoadError, OptionError
from serverless_dnn.bench.load.arrivals import constant
from serverless_dnn.bench.load.generator import Call
from serverless_dnn.bench.load.ray_cluster import RayGenerators
from serverless_dnn.bench.load.steps import ClosedLoop, OpenLoop, Step

pytest.importorskip("ray", reason="Ray is in an environment of its own: hatch run ray:test")

# The scorecard is no package.
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "scorecard"))
from synthetic_server import Script, synthetic_server

_MS = 1_000_000


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RAY_USAGE_STATS_ENABLED", "0")
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        try:
            cluster.add_node(num_cpus=1)
            yield cluster.address
        finally:
            cluster.shutdown()


@pytest.fixture
def call(tmp_path: Path) -> Callable[[str], Call]:
    path = tmp_path / "inputs.npz"
    np.savez(path, x=np.arange(3, dtype=np.float32))
    return lambda url: Call(url, "synthetic", path, {"check_inputs": False, "timeout_s": 60.0})


@contextmanager
def _generators(address: str, count: int | None = None) -> Iterator[RayGenerators]:
    generators = RayGenerators(address, count)
    try:
        yield generators
    finally:
        generators.close()


def _actors() -> list[psutil.Process]:
    # Ray names its processes by what runs in them.
    return [process for process in psutil.process_iter(["name"]) if "NodeGenerator" in (process.info["name"] or "")]


def test_two_nodes_send_each_request_once(address: str, call: Callable[[str], Call]) -> None:
    due_ns = constant(200, 1.0)
    with synthetic_server(Script((20,))) as server:
        with _generators(address) as sending:
            sending.add("a", call(server.url))
            # Nodes share no files.
            call("").inputs_path.unlink()
            told: list[None] = []
            closed = sending.run(Step("a", "closed", 0, ClosedLoop(31, concurrency=4)), lambda: told.append(None))
            opened = sending.run(Step("a", "open", 1, OpenLoop(due_ns)))
        served = server.end()

    assert [sample.index for sample in closed.samples] == list(range(31))
    assert len(told) == 31
    assert [sample.scheduled_ns for sample in opened.samples] == list(due_ns)
    for samples in (closed.samples, opened.samples):
        assert {sample.generator for sample in samples} == {0, 1}
        assert all(sample.is_counted and sample.latency_ns >= 20 * _MS for sample in samples)
    together = closed.samples + opened.samples
    assert sorted(int(sample.instance or "") for sample in together) == [each.number for each in served]
    assert max(each.in_flight for each in served[:31]) <= 4
    # Each began by the same clock: nothing arrives before it is sent, and it is sent when due or later.
    begins_ns = [
        min(
            served[int(sample.instance or "")].arrived_ns - sample.sent_ns
            for sample in opened.samples
            if sample.generator == number
        )
        for number in (0, 1)
    ]
    assert abs(begins_ns[0] - begins_ns[1]) < 400 * _MS


def test_what_cannot_be_sent(address: str, call: Callable[[str], Call]) -> None:
    with _generators(address) as sending:
        sending.add("a", call("nonsense://127.0.0.1"))
        with pytest.raises(LoadError, match=r"requests to a cannot be made: .*nonsense"):
            sending.run(Step("a", "closed", 0, ClosedLoop(2)))

    with pytest.raises(OptionError, match="has CPUs for 2 generators, and 3 were asked for"):
        RayGenerators(address, 3)


def test_clusters_that_are_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with pytest.raises(OptionError, match=f"cannot reach the Ray cluster at 127.0.0.1:{port}"):
        RayGenerators(f"127.0.0.1:{port}")
    with pytest.raises(OptionError, match="expected the Ray cluster's HOST:PORT"):
        RayGenerators("auto")


def test_a_generator_that_is_killed_ends_the_others(address: str, call: Callable[[str], Call]) -> None:
    with synthetic_server(Script((10,))) as server, _generators(address) as sending:
        sending.add("a", call(server.url))
        sending.run(Step("a", "closed", 0, ClosedLoop(2, concurrency=2)))
        actors = _actors()
        assert len(actors) == 2
        with ThreadPoolExecutor(1) as thread:
            running = thread.submit(sending.run, Step("a", "closed", 1, ClosedLoop(None, 600, 2)))
            actors[0].kill()
            with pytest.raises(LoadError, match="a generator on the Ray cluster ended"):
                running.result(120)
        _, alive = psutil.wait_procs(actors, 60)

    assert not alive


def test_closing_leaves_no_generator(address: str) -> None:
    with _generators(address, 2):
        actors = _actors()
        assert len(actors) == 2
    _, alive = psutil.wait_procs(actors, 60)

    assert not alive
