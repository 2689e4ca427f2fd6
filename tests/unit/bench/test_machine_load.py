"""The machine's load, against processes that are really busy, in the benchmark's tree and outside of it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from serverless_dnn.bench.machine_load import MachineLoad, ProcessTree

_BUSY = "while True: pass"
# The busy one must not hold this one's output open.
_START_DETACHED = f"""
import subprocess, sys
command = [sys.executable, "-c", {_BUSY!r}]
print(subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL).pid, flush=True)
"""
_USED_S = 1.0


@contextmanager
def _outside() -> Iterator[psutil.Process]:
    """A busy process that nobody in this tree has for a child."""
    told = subprocess.run([sys.executable, "-c", _START_DETACHED], stdout=subprocess.PIPE, text=True, check=True).stdout
    busy = psutil.Process(int(told))
    try:
        assert busy.ppid() != os.getpid()
        yield busy
    finally:
        busy.send_signal(signal.SIGKILL)


@contextmanager
def _inside() -> Iterator[psutil.Process]:
    """A busy grandchild."""
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_BUSY!r}])"
    with subprocess.Popen([sys.executable, "-c", program], process_group=0) as parent:
        try:
            while not (children := psutil.Process(parent.pid).children()):
                time.sleep(0.01)
            yield children[0]
        finally:
            os.killpg(parent.pid, signal.SIGKILL)


def _used_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _use(process: psutil.Process) -> float:
    """Wait until it has used some CPU time, however busy the machine is; returns how much."""
    begin_s = _used_s(process)
    while (used_s := _used_s(process) - begin_s) < _USED_S:
        time.sleep(0.05)
    return used_s


def _measure(process: psutil.Process) -> tuple[dict[str, float | None], float]:
    """The load while a process uses CPU time, and the percentage of the machine that it used."""
    load = MachineLoad(interval_s=0.1)
    times = psutil.cpu_times()
    begin_s = sum(times) - times.guest - times.guest_nice
    with load.during():
        used_s = _use(process)
    times = psutil.cpu_times()
    return load.result(), 100 * used_s / (sum(times) - times.guest - times.guest_nice - begin_s)


def test_a_busy_process_elsewhere_is_others() -> None:
    with _outside() as busy:
        load, percent = _measure(busy)

    assert load["during_other_percent"] is not None
    assert load["during_total_percent"] is not None
    assert load["during_other_percent"] >= 0.9 * percent
    assert load["during_total_percent"] - load["during_other_percent"] < 0.5 * percent


def test_a_busy_process_of_ours_is_not() -> None:
    with _inside() as busy:
        load, percent = _measure(busy)

    assert load["during_other_percent"] is not None
    assert load["during_total_percent"] is not None
    assert load["during_total_percent"] - load["during_other_percent"] >= 0.9 * percent


def test_what_others_use_is_seen_before_as_well() -> None:
    load = MachineLoad()
    with _outside() as busy:
        begin_s = _used_s(busy)
        while _used_s(busy) - begin_s < 0.1:
            load.sample_before(0.5)
        before = load.result()["before_percent"]

    assert before is not None
    assert before > 0
    assert load.result()["during_total_percent"] is None


def test_this_process_is_the_generator() -> None:
    load = MachineLoad(interval_s=0.1)
    with load.during():
        begin_s = time.process_time()
        wall_s = time.monotonic()
        while time.process_time() - begin_s < _USED_S:
            pass
        percent = 100 * _USED_S / (time.monotonic() - wall_s)
    result = load.result()

    assert result["generator_percent"] is not None
    assert result["generator_peak_percent"] is not None
    assert 0.8 * percent <= result["generator_percent"] <= result["generator_peak_percent"]
    assert result["steal_percent"] is not None
    assert 0 <= result["steal_percent"] <= 100
    assert result["frequency_mhz"] is None or result["frequency_mhz"] >= (result["lowest_frequency_mhz"] or 0) > 0


def test_nothing_is_known_before_it_is_measured() -> None:
    assert set(MachineLoad().result().values()) == {None}


def test_it_is_measured_when_the_run_fails() -> None:
    load = MachineLoad()
    with pytest.raises(KeyboardInterrupt), load.during():
        raise KeyboardInterrupt

    assert load.result()["generator_percent"] is not None


def test_what_has_ended_stays_counted() -> None:
    tree = ProcessTree(os.getpid())
    begin_s = tree.cpu_s()
    program = f"import time\nwhile time.process_time() < {_USED_S}: pass"
    subprocess.run([sys.executable, "-c", program], check=True)

    assert tree.cpu_s() - begin_s >= 0.9 * _USED_S
    assert tree.cpu_s() - begin_s < 3 * _USED_S


def test_what_lost_its_parent_stays_counted() -> None:
    tree = ProcessTree(os.getpid())
    program = f"{_START_DETACHED}\nsys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        orphan = psutil.Process(int(parent.stdout.readline()))
        tree.cpu_s()
    try:
        assert orphan.ppid() != parent.pid
        begin_s = tree.cpu_s()
        used_s = _use(orphan)
        counted_s = tree.cpu_s() - begin_s
    finally:
        orphan.send_signal(signal.SIGKILL)

    assert counted_s >= 0.9 * used_s
