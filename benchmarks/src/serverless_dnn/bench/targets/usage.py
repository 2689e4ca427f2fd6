"""What a server has used: memory and CPU time, of everything that it has started."""

import threading
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from serverless_dnn.bench.targets.cgroups import Group


@dataclass(frozen=True)
class Usage:
    """What a server has used so far, everything that it has started included.

    Attributes:
        peak_memory_mb: The most memory in MiB; page cache counts only where it is mapped, such as libraries. 0 if the
            server ended before anyone could look.
        cpu_ns: CPU time; ``None`` if it is not known.
        is_out_of_memory: Whether the kernel has killed a process of it because its memory was used up; known with a
            control group only.
    """

    peak_memory_mb: int = 0
    cpu_ns: int | None = None
    is_out_of_memory: bool = False


class UsageMeter:
    """Reads what a server has used.

    Args:
        process_id: The server's process.
        group: Its control group; ``None`` if it has none.
    """

    def __init__(self, process_id: int, group: Group | None) -> None:
        self._process_id, self._group = process_id, group
        self._last = Usage()
        self._lock = threading.Lock()

    def read(self) -> Usage:
        """What it has used so far; what is no longer known after its end is as it was at the last reading."""
        with self._lock:
            self._last = self._of_processes() if self._group is None else self._of_group(self._group)
            return self._last

    def close(self) -> None:
        """Read for the last time, because the group is about to be removed: ``read`` returns the same from now on."""
        self.read()
        with self._lock:
            self._group, self._process_id = None, 0

    def _of_group(self, group: Group) -> Usage:
        is_out_of_memory = group.is_out_of_memory()
        resident = sum(_peak_resident_bytes(each) for each in group.process_ids())
        of_group = group.peak_memory_bytes()
        # Both are at least what was used: the group's peak counts page cache, and the sum counts shared pages twice.
        peak = min(each for each in (resident, of_group) if each is not None)
        if of_group is not None and (is_out_of_memory or not (resident or self._last.peak_memory_mb)):
            peak = of_group
        return Usage(max(self._last.peak_memory_mb, _mb(peak)), group.cpu_ns(), is_out_of_memory)

    def _of_processes(self) -> Usage:
        if not self._process_id:
            return self._last
        try:
            main = psutil.Process(self._process_id)
            processes = [main, *main.children(recursive=True)]
        except psutil.NoSuchProcess:
            return self._last
        peak = sum(_peak_resident_bytes(each.pid) for each in processes)
        cpu_ns = sum(_cpu_ns(each) for each in processes)
        # The processes that have ended and are not waited for have taken theirs along.
        cpu_ns = max(cpu_ns, self._last.cpu_ns or 0)
        return replace(self._last, peak_memory_mb=max(self._last.peak_memory_mb, _mb(peak)), cpu_ns=cpu_ns)


def _peak_resident_bytes(process_id: int) -> int:
    """0 if it has ended."""
    try:
        lines = Path(f"/proc/{process_id}/status").read_bytes().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith(b"VmHWM:")), 0)


def _cpu_ns(process: psutil.Process) -> int:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0
    return int((times.user + times.system + times.children_user + times.children_system) * 1e9)


def _mb(size_bytes: int) -> int:
    return -(-size_bytes >> 20)
