"""The load of this machine before and during a run: the benchmark's own, and everybody else's."""

import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Any

import psutil

INTERVAL_S = 1.0
BEFORE_S = 2.0


class ProcessTree:
    """A process and all that it has started, whether their parents still live or not.

    Args:
        pid: The process.
    """

    def __init__(self, pid: int) -> None:
        self._members = {psutil.Process(pid)}
        self._living_s: float | None = None
        self._total_s = 0.0

    def cpu_s(self) -> float:
        """The CPU time that they have used since this was first called, in seconds; to be called now and then.

        What ends between two calls is counted by its parent, which waits for it. Of what nobody in the tree waits for,
        the time since the last call is lost.
        """
        by_parent: dict[int, list[psutil.Process]] = defaultdict(list)
        running = []
        for process in psutil.process_iter(["ppid", "cpu_times"]):
            by_parent[process.info["ppid"]].append(process)
            if process in self._members:
                running.append(process)
        members = set()
        while running:
            process = running.pop()
            if process not in members:
                members.add(process)
                running += by_parent[process.pid]
        living_s = sum(_with_children_s(process) for process in members)
        if self._living_s is not None:
            self._total_s += max(0.0, living_s - self._living_s)
        self._members, self._living_s = members, living_s
        return self._total_s


@dataclass(frozen=True)
class _Reading:
    """What had been used when it was taken, in seconds of CPU time."""

    at_s: float
    all_s: float
    busy_s: float
    steal_s: float
    benchmark_s: float
    generator_s: float
    frequency_mhz: float | None


class MachineLoad:
    """Measures how busy the machine is, once a second.

    Args:
        interval_s: How often it looks; what processes used since then is lost if they end and nobody waits for them.
    """

    def __init__(self, interval_s: float = INTERVAL_S) -> None:
        self._interval_s = interval_s
        self._tree = ProcessTree(os.getpid())
        self._before: tuple[_Reading, ...] = ()
        self._during: tuple[_Reading, ...] = ()

    def sample_before(self, seconds: float = BEFORE_S) -> None:
        """Measure what others use before anything is measured.

        Args:
            seconds: For how long.
        """
        begin = self._read()
        time.sleep(seconds)
        self._before = (begin, self._read())

    @contextmanager
    def during(self) -> Iterator[None]:
        """Measure while the block runs."""
        self._during = (self._read(),)
        is_over = threading.Event()

        def look() -> None:
            while not is_over.wait(self._interval_s):
                self._during += (self._read(),)

        thread = threading.Thread(target=look, name="machine-load", daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()
            self._during += (self._read(),)

    def result(self) -> dict[str, float | None]:
        """What was measured, each ``None`` if it was not, in percent of all CPUs if nothing else is said.

        ``before_percent``: what others than the benchmark used before the run. ``during_total_percent``: what everybody
        used during it. ``during_other_percent``: what others than this process and its descendants did.
        ``steal_percent``: what the hypervisor gave to other machines. ``generator_percent``: what this process used, in
        percent of one core, and ``generator_peak_percent`` in its busiest second. ``frequency_mhz``: the mean of all
        cores and seconds, and ``lowest_frequency_mhz`` that of the slowest second.
        """
        frequencies = [each.frequency_mhz for each in self._during if each.frequency_mhz]
        generator = [
            _percent(end.generator_s - begin.generator_s, end.at_s - begin.at_s)
            for begin, end in pairwise(self._during)
        ]
        return {
            "before_percent": _other_percent(self._before),
            "during_total_percent": _share(self._during, "busy_s"),
            "during_other_percent": _other_percent(self._during),
            "steal_percent": _share(self._during, "steal_s"),
            "generator_percent": _share(self._during, "generator_s", "at_s"),
            "generator_peak_percent": max((each for each in generator if each is not None), default=None),
            "frequency_mhz": round(fmean(frequencies)) if frequencies else None,
            "lowest_frequency_mhz": round(min(frequencies)) if frequencies else None,
        }

    def _read(self) -> _Reading:
        machine: Any = psutil.cpu_times()
        # Guests' time is part of user time.
        all_s = sum(machine) - getattr(machine, "guest", 0.0) - getattr(machine, "guest_nice", 0.0)
        steal_s = getattr(machine, "steal", 0.0)
        frequency = psutil.cpu_freq()
        return _Reading(
            at_s=time.monotonic(),
            all_s=all_s,
            busy_s=all_s - machine.idle - getattr(machine, "iowait", 0.0) - steal_s,
            steal_s=steal_s,
            benchmark_s=self._tree.cpu_s(),
            generator_s=time.process_time(),
            frequency_mhz=None if frequency is None else frequency.current,
        )


def _with_children_s(process: psutil.Process) -> float:
    times = process.info["cpu_times"]
    return 0.0 if times is None else times.user + times.system + times.children_user + times.children_system


def _other_percent(readings: tuple[_Reading, ...]) -> float | None:
    total, own = _share(readings, "busy_s"), _share(readings, "benchmark_s")
    # The kernel counts both in ticks, and not at the same time.
    return None if total is None or own is None else round(max(0.0, total - own), 1)


def _share(readings: tuple[_Reading, ...], used: str, available: str = "all_s") -> float | None:
    if len(readings) < 2:
        return None
    begin, end = readings[0], readings[-1]
    return _percent(getattr(end, used) - getattr(begin, used), getattr(end, available) - getattr(begin, available))


def _percent(used_s: float, available_s: float) -> float | None:
    return round(100 * used_s / available_s, 1) if available_s > 0 else None
