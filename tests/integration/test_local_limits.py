"""Limits are enforced on everything a server starts, their excess is told, and no group outlives the benchmark."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from serverless_dnn.bench.errors import StartError
from serverless_dnn.bench.targets.cgroups import Group, Hierarchies, Hierarchy, find_hierarchies
from serverless_dnn.bench.targets.limits import Limits, enforcement
from serverless_dnn.bench.targets.processes import ServerProcess, start_server

PATIENCE_S = 30.0
BUSY = """
import os
os.fork()
while True:
    pass
"""
# The child leads a session of its own, as a daemon would.
HUNGRY = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    data = bytearray(int(sys.argv[1]) << 20)
    print("has it", flush=True)
time.sleep(3600)
"""
BENCHMARK = """
import sys, time
from pathlib import Path
from serverless_dnn.bench.targets.limits import Limits
from serverless_dnn.bench.targets.processes import start_server
server = start_server([sys.executable, "-c", sys.argv[1], "10"], {}, Path(sys.argv[2]), Limits(200, 1.0))
while b"has it" not in Path(sys.argv[2]).read_bytes():
    time.sleep(0.01)
print(server.process.pid, flush=True)
time.sleep(3600)
"""
WITHOUT_GROUPS = """
import os, resource, sys
from pathlib import Path
from serverless_dnn.bench.targets.limits import Limits, enforcement
from serverless_dnn.bench.targets.processes import start_server
print(enforcement())
show = "import os, resource; print(len(os.sched_getaffinity(0)), resource.getrlimit(resource.RLIMIT_DATA)[0] >> 20)"
for number in range(2):
    log = Path(sys.argv[1], f"{number}.log")
    server = start_server([sys.executable, "-c", show], {}, log, Limits(300, 0.5))
    server.process.wait()
    server.stop()
    print(log.read_text().strip())
"""

FOUND = find_hierarchies()
needs_groups = pytest.mark.skipif(
    FOUND.memory is None or FOUND.cpu is None, reason="control groups cannot be made here: limits are not enforced"
)
Start = Callable[..., ServerProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a Python program as a server under limits; stopped at the end."""
    started: list[ServerProcess] = []

    def start_program(program: str, *arguments: str, limits: Limits) -> ServerProcess:
        log = tmp_path / f"server-{len(started)}.log"
        started.append(start_server([sys.executable, "-c", program, *arguments], {}, log, limits))
        return started[-1]

    yield start_program
    for server in started:
        server.stop(0)


def _until(is_so: Callable[[], bool]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end_s, "it never happened"
        time.sleep(0.01)


def _groups_of(process_id: int) -> list[Path]:
    places = (FOUND.memory, FOUND.cpu, FOUND.cpu_time)
    return [path for place in places if place for path in place.folder.glob(f"sdnn-bench-{process_id}-*")]


def _is_alive(process_id: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{process_id}/status").read_text()
    except OSError:
        return False


@needs_groups
def test_half_a_cpu_is_half_the_time_for_all_processes_together(start: Start) -> None:
    server = start(BUSY, limits=Limits(cpus=0.5))
    _until(lambda: (server.usage().cpu_ns or 0) > 0)

    before_ns, begin_ns = server.usage().cpu_ns, time.perf_counter_ns()
    time.sleep(1.0)
    after_ns, end_ns = server.usage().cpu_ns, time.perf_counter_ns()

    assert before_ns is not None
    assert after_ns is not None
    assert 0.3 < (after_ns - before_ns) / (end_ns - begin_ns) < 0.7


@needs_groups
def test_what_a_child_takes_beyond_the_memory_is_out_of_memory(start: Start) -> None:
    server = start(HUNGRY, "300", limits=Limits(memory_mb=100))

    _until(lambda: server.usage().is_out_of_memory)
    server.stop(0)

    assert server.usage().is_out_of_memory
    assert server.usage().peak_memory_mb == 100
    assert "has it" not in server.log_path.read_text()


@needs_groups
def test_memory_within_the_limit_is_measured(start: Start) -> None:
    server = start(HUNGRY, "60", limits=Limits(memory_mb=200))

    _until(lambda: "has it" in server.log_path.read_text())
    running = server.usage()
    server.stop(0)
    ended = server.usage()

    assert 60 <= running.peak_memory_mb < 120
    assert not running.is_out_of_memory
    assert ended.peak_memory_mb >= running.peak_memory_mb
    assert (ended.cpu_ns or 0) >= (running.cpu_ns or 0) > 0


def test_without_limits_it_is_measured_too(start: Start) -> None:
    server = start(HUNGRY, "60", limits=Limits())

    _until(lambda: "has it" in server.log_path.read_text())

    assert server.usage().peak_memory_mb >= 60
    assert (server.usage().cpu_ns or 0) > 0
    assert _groups_of(os.getpid()) == []


@needs_groups
def test_a_model_over_the_memory_dies_as_the_platform_would_kill_it(models: Path, tmp_path: Path) -> None:
    environment = {
        "PORT": "0",
        "SDNN_HOST": "127.0.0.1",
        "SDNN_MODEL_BASE_PATH": str(models / "half_plus_two"),
        "SDNN_ENGINE": "tensorflow",
    }
    server = start_server(["sdnn-cloudrun"], environment, tmp_path / "cloudrun-1.log", Limits(128, 1.0))
    try:
        with pytest.raises(StartError, match="used up its memory of 128 MB"):
            server.wait_ready(PATIENCE_S)
    finally:
        server.stop(0)

    assert server.process.returncode == -signal.SIGKILL
    assert server.usage().is_out_of_memory


@needs_groups
def test_nothing_is_left_of_a_stopped_server(start: Start, tmp_path: Path) -> None:
    server = start(HUNGRY, "10", limits=Limits(200, 1.0))
    _until(lambda: "has it" in server.log_path.read_text())
    (folder, *_) = _groups_of(os.getpid())
    members = [int(line) for line in (folder / "cgroup.procs").read_text().split()]

    server.stop()

    assert len(members) == 2
    assert not any(map(_is_alive, members))
    assert _groups_of(os.getpid()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["server-0.log"]


@needs_groups
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_of_a_benchmark_that_ends_without_stopping(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-c", BENCHMARK, HUNGRY, str(tmp_path / "server.log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as benchmark:
        assert benchmark.stdout is not None
        server = int(benchmark.stdout.readline())
        (folder, *_) = groups = _groups_of(benchmark.pid)
        members = [int(line) for line in (folder / "cgroup.procs").read_text().split()]

        benchmark.send_signal(number)

    assert server in members
    assert len(members) == 2
    _until(lambda: not any(group.exists() for group in groups))
    assert not any(map(_is_alive, members))


def test_a_limit_that_the_kernel_refuses(start: Start) -> None:
    if FOUND.cpu is None:
        pytest.skip("control groups cannot be made here")
    with pytest.raises(StartError, match="cannot limit a server's memory or CPU"):
        start(BUSY, limits=Limits(cpus=1e30))

    assert _groups_of(os.getpid()) == []


def test_without_control_groups_what_there_is_is_used_and_told(tmp_path: Path) -> None:
    hidden = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /sys/fs/cgroup && exec "$@"', "sh"]
    if subprocess.run([*hidden, "true"], capture_output=True, check=False).returncode:
        pytest.skip("control groups cannot be hidden from a process here")

    done = subprocess.run(
        [*hidden, sys.executable, "-c", WITHOUT_GROUPS, str(tmp_path)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["Enforcement(memory='rlimit', cpu='affinity')", "1 300", "1 300"]


@needs_groups
def test_how_limits_are_enforced_is_told() -> None:
    assert enforcement().memory.startswith("cgroup v")
    assert enforcement().cpu.startswith("cgroup v")


def test_a_group_of_version_2_holds_a_process_and_counts_its_time() -> None:
    root = next(filter(_is_root_of_version_2, (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))), None)
    if root is None:
        pytest.skip("there are no control groups of version 2 here, or none can be made")
    group = Group(Hierarchies(None, None, Hierarchy(2, root, root)), None, None)
    (entry,) = group.open_entries()

    def enter() -> None:
        os.write(entry, b"0")

    with subprocess.Popen([sys.executable, "-c", BUSY], preexec_fn=enter) as process:  # noqa: PLW1509
        os.close(entry)
        _until(lambda: len(group.process_ids()) == 2 and (group.cpu_ns() or 0) > 10_000_000)
        members = group.process_ids()
        group.remove()

    assert process.pid in members
    assert not any(map(_is_alive, members))
    assert list(root.glob(f"sdnn-bench-{os.getpid()}-*")) == []


def _is_root_of_version_2(folder: Path) -> bool:
    is_root = (folder / "cgroup.controllers").exists() and not (folder / "cgroup.type").exists()
    return is_root and os.access(folder, os.W_OK)
