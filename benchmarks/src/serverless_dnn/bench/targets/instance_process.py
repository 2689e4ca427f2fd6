"""The process of an instance inside a front door, and what is recorded of the instance."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from serverless_dnn.bench.targets.processes import ServerProcess
from serverless_dnn.bench.targets.records import OUT_OF_MEMORY, InstanceRecord, Invocation, Status
from serverless_dnn.bench.targets.usage import Usage

TIMED_OUT = "timed out"
"""Why an instance was ended."""


class InstanceProcess:
    """A process whose end the event loop learns of at once.

    Args:
        server: The process.
        on_exit: Called when it has ended.

    Attributes:
        server: The process.
        exited: Its exit code, once it has ended.
    """

    def __init__(self, server: ServerProcess, on_exit: Callable[[], None]) -> None:
        self.server, self._on_exit = server, on_exit
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._pidfd = os.pidfd_open(server.process.pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._ended)

    @property
    def pid(self) -> int:
        """Its id."""
        return self.server.process.pid

    def peak_memory_mb(self) -> int:
        """The most memory that the process itself has used so far, in MiB; 0 if it has ended.

        Unlike its usage, which counts what it has started too, this is read fast enough to be asked after each request.
        """
        try:
            lines = Path(f"/proc/{self.pid}/status").read_bytes().splitlines()
        except OSError:
            return 0
        return next((-(-int(line.split()[1]) // 1024) for line in lines if line.startswith(b"VmHWM:")), 0)

    def is_running(self) -> bool:
        """Ask the kernel; ``exited`` is set a moment later."""
        return self.server.process.poll() is None

    def why_exited(self) -> str:
        """How the process ended by itself: ``OUT OF MEMORY``, its status or its signal."""
        if self.server.usage().is_out_of_memory:
            return OUT_OF_MEMORY
        code = self.server.process.wait()
        return f"exit status {code}" if code >= 0 else f"signal: {signal_name(-code)}"

    async def stop(self, grace_s: float) -> None:
        """Stop it and whatever it started.

        Args:
            grace_s: Seconds from SIGTERM until SIGKILL.
        """
        await asyncio.to_thread(self.server.stop, grace_s)
        await self.exited

    def _ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self.exited.set_result(self.server.process.wait())
        self._on_exit()


class InstanceHistory:
    """What has happened to one instance so far.

    Args:
        instance: The platform's id of it.

    Attributes:
        instance: The id.
    """

    def __init__(self, instance: str) -> None:
        self.instance = instance
        self._begin_ns = time.perf_counter_ns()
        self._spawned_ns: int | None = None
        self._ready_ns: int | None = None
        self._end_ns: int | None = None
        self._end_reason: str | None = None
        self._init_ns: int | None = None
        self._process: InstanceProcess | None = None
        self._max_memory_mb = 0
        self._cpu_ns_before = 0
        self._final: InstanceRecord | None = None

    @property
    def pid(self) -> int | None:
        """The id of its process; ``None`` if it is not running."""
        return self._process.pid if self._process is not None and self._process.is_running() else None

    def spawned(self, process: InstanceProcess) -> None:
        """A process was started for it, perhaps in place of another.

        Args:
            process: The process.
        """
        if self._process is not None:
            self._cpu_ns_before += self._usage().cpu_ns or 0
        self._process = process
        if self._spawned_ns is None:
            self._spawned_ns = process.server.started_ns

    def ready(self, *, counts_as_init: bool = True) -> None:
        """It can take requests.

        Args:
            counts_as_init: Whether its first invocation tells how long that took.
        """
        self._ready_ns = time.perf_counter_ns()
        if counts_as_init:
            self._init_ns = self._ready_ns - self._begin_ns

    def begin(self, request_id: str, arrival_ns: int) -> "RunningInvocation":
        """It gets a request.

        Args:
            request_id: The request's id.
            arrival_ns: When the front door had it.
        """
        init_ns, self._init_ns = self._init_ns, None
        return RunningInvocation(self, request_id, arrival_ns, time.perf_counter_ns(), init_ns)

    def ended(self, reason: str) -> None:
        """It has ended.

        Args:
            reason: Why; the first one counts.
        """
        if self._end_ns is None:
            self._end_ns, self._end_reason = time.perf_counter_ns(), reason
            self._final = self.record()

    def max_memory_mb(self) -> int:
        """The most memory that its process has used so far."""
        if self._process is not None:
            self._max_memory_mb = max(self._max_memory_mb, self._process.peak_memory_mb())
        return self._max_memory_mb

    def record(self) -> InstanceRecord | None:
        """The record; ``None`` if no process could be started."""
        if self._spawned_ns is None or self._final is not None:
            return self._final
        usage = self._usage()
        return InstanceRecord(
            instance=self.instance,
            begin_ns=self._begin_ns,
            spawned_ns=self._spawned_ns,
            ready_ns=self._ready_ns,
            end_ns=self._end_ns,
            end_reason=self._end_reason,
            max_memory_mb=usage.peak_memory_mb,
            cpu_ns=None if usage.cpu_ns is None else self._cpu_ns_before + usage.cpu_ns,
        )

    def _usage(self) -> Usage:
        if self._process is None:
            return Usage()
        usage = self._process.server.usage()
        self._max_memory_mb = max(self._max_memory_mb, usage.peak_memory_mb)
        return Usage(self._max_memory_mb, usage.cpu_ns, usage.is_out_of_memory)


@dataclass(frozen=True)
class RunningInvocation:
    """A request that an instance has got.

    Attributes:
        history: The instance's.
        request_id: Its id.
        arrival_ns: When the front door had it.
        begin_ns: When the instance got it.
        init_ns: How long the instance's init phase took, if this is its first request.
    """

    history: InstanceHistory
    request_id: str
    arrival_ns: int
    begin_ns: int
    init_ns: int | None

    def end(self, status: Status, error_type: str | None, memory_mb: int | None) -> Invocation:
        """It has been answered.

        Args:
            status: How it ended.
            error_type: The error's type; ``None`` after a success.
            memory_mb: The instance's memory; ``None`` if it is not limited.

        Returns:
            The record.
        """
        return Invocation(
            request_id=self.request_id,
            instance=self.history.instance,
            status=status,
            error_type=error_type,
            arrival_ns=self.arrival_ns,
            begin_ns=self.begin_ns,
            end_ns=time.perf_counter_ns(),
            init_ns=self.init_ns,
            memory_mb=memory_mb,
            max_memory_mb=self.history.max_memory_mb(),
        )


def signal_name(number: int) -> str:
    """A signal's name as platforms write it.

    Args:
        number: The signal.

    Returns:
        Such as ``killed`` or ``segmentation fault``.
    """
    return (signal.strsignal(number) or str(number)).lower()
