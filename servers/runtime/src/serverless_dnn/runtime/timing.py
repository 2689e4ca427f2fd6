"""Time spent on the server, phase by phase, and the ``Server-Timing`` header that reports it.

Only durations leave a machine, never timestamps: the clocks of two machines cannot be compared. The syntax is W3C
Server Timing (https://www.w3.org/TR/server-timing/) in milliseconds. A phase that did not happen is absent, never 0.
"""

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from serverless_dnn.runtime import BEGAN_NS


class PhaseTimer:
    """Phase durations of one request, from arrival to response.

    Args:
        clock: A monotonic clock in nanoseconds.

    Attributes:
        phases_ns: The duration of each phase, in nanoseconds.
        model: The requested model; empty until it is found.
        method: The method called, such as ``Predict``; empty where the caller knows it anyway.
    """

    __slots__ = ("_arrival_ns", "_clock", "method", "model", "phases_ns")

    def __init__(self, clock: Callable[[], int] = time.perf_counter_ns) -> None:
        self._clock = clock
        self._arrival_ns = clock()
        self.phases_ns: dict[str, int] = {}
        self.model = ""
        self.method = ""

    def phase(self, name: str) -> "_Phase":
        """Add the time spent in a ``with`` block to a phase, even if the block raises.

        Args:
            name: ``decode``, ``queue``, ``compute`` or ``encode``.
        """
        return _Phase(self, name, self._clock)

    def add(self, name: str, dur_ns: int) -> None:
        """Add a duration to a phase.

        Args:
            name: The phase.
            dur_ns: Nanoseconds.
        """
        self.phases_ns[name] = self.phases_ns.get(name, 0) + dur_ns

    def total_ns(self) -> int:
        """Nanoseconds since the request arrived."""
        return self._clock() - self._arrival_ns


class _Phase:
    __slots__ = ("_begin_ns", "_clock", "_name", "_timer")

    def __init__(self, timer: PhaseTimer, name: str, clock: Callable[[], int]) -> None:
        self._timer, self._name, self._clock = timer, name, clock

    def __enter__(self) -> None:
        self._begin_ns = self._clock()

    def __exit__(self, *_: object) -> None:
        self._timer.add(self._name, self._clock() - self._begin_ns)


def process_birth_ns() -> int:
    """When the operating system started this process, on its boot clock in nanoseconds, with a 10 ms resolution."""
    after_name = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return int(after_name[19]) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


@dataclass
class Instance:
    """This process: its identity and its cold start.

    Attributes:
        id: Identifies the instance in every response.
        engine: Name and version of the engine, reported once.
        server: What runs the models, where it may be a different process; reported with every prediction.
        birth_ns: When the server was started, on this machine's boot clock; a worker process inherits its parent's.
        cold_phases_ns: The duration of each phase of the cold start, in nanoseconds: ``interpreter`` until this
            project's code began, ``import`` of the server, ``engine-import``, ``load`` and ``warmup``. No moment is in
            two of them, so they add up to the cold start with what is in none, such as starting to listen.
    """

    id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    engine: str = ""
    server: str = ""
    birth_ns: int = field(default_factory=process_birth_ns)
    cold_phases_ns: dict[str, int] = field(default_factory=dict)
    _cold_ns: int | None = None
    _running: dict[object, str] = field(default_factory=dict)
    _counted_until_ns: int = 0
    _meanwhile: Callable[[], object] | None = None
    _told: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of_server(cls) -> "Instance":
        """This process as a server, made first: it has done nothing so far but start and import."""
        instance = cls()
        began_ns = max(BEGAN_NS, instance.birth_ns)
        instance.cold_phases_ns["interpreter"] = began_ns - instance.birth_ns
        instance.cold_phases_ns["import"] = _boot_clock_ns() - began_ns
        return instance

    @contextmanager
    def starting(self, phase: str) -> Iterator[None]:
        """Add the time spent in the block to a phase of the cold start; loads while serving do not count.

        Args:
            phase: ``import``, ``engine-import``, ``load`` or ``warmup``; one begun within another interrupts it.
        """
        key = object()
        with self._lock:
            self._count()
            self._running[key] = phase
        try:
            yield
        finally:
            with self._lock:
                self._count()
                del self._running[key]

    def _count(self) -> None:
        """Add the time since the last call to the phase that began last."""
        now_ns = _boot_clock_ns()
        if self._running and self._cold_ns is None:
            phase = next(reversed(self._running.values()))
            self.cold_phases_ns[phase] = self.cold_phases_ns.get(phase, 0) + now_ns - self._counted_until_ns
        self._counted_until_ns = now_ns

    def meanwhile(self, work: Callable[[], object]) -> None:
        """Have work done in a thread while the first model loads, which leaves the interpreter idle.

        Args:
            work: Imports what is needed afterwards. Whoever imports it again waits for it, and gets its errors.
        """
        self._meanwhile = work

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Phase ``load`` where it leaves the interpreter idle: begins what ``meanwhile`` was given."""
        work, self._meanwhile = self._meanwhile, None
        if work is not None:
            threading.Thread(target=work, name="meanwhile", daemon=True).start()
        with self.starting("load"):
            yield

    def ready(self) -> None:
        """Note that the instance can serve: the cold start ends here. Only the first call counts."""
        with self._lock:
            self._count()
            if self._cold_ns is None:
                self._cold_ns = self._counted_until_ns - self.birth_ns

    def server_timing(self, timer: PhaseTimer) -> str:
        """The ``Server-Timing`` text of one response; the instance's first prediction adds its cold start.

        Args:
            timer: The request's timer.

        Returns:
            For example ``decode;dur=1.2, compute;dur=9.9, total;dur=11.3, instance;desc="3f2a9c"``.
        """
        metrics = [_metric(name, dur_ns) for name, dur_ns in timer.phases_ns.items()]
        metrics.append(_metric("total", timer.total_ns()))
        metrics.append(f'instance;desc="{self.id}"')
        # Reported with a prediction, not with a metadata request that happens to come first.
        if "compute" not in timer.phases_ns:
            return ", ".join(metrics)
        if self.server:
            metrics.append(f'server;desc="{self.server}"')
        with self._lock:
            first, self._told = not self._told, True
        if first and self._cold_ns is not None:
            metrics.append(_metric("cold", self._cold_ns))
            metrics.extend(_metric(name, dur_ns) for name, dur_ns in self.cold_phases_ns.items())
            metrics.append(f'engine;desc="{self.engine}"')
        return ", ".join(metrics)


def _boot_clock_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def _metric(name: str, dur_ns: int) -> str:
    return f"{name};dur={dur_ns / 1e6:.3f}"
