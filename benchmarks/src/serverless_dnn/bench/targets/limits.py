"""How much memory and CPU an instance gets: enforced by a control group, or by the nearest that a machine has to it."""

import itertools
import math
import os
import resource
from dataclasses import dataclass

from serverless_dnn.bench.errors import StartError
from serverless_dnn.bench.targets.cgroups import Group, find_hierarchies

_cores_taken = itertools.count()


@dataclass(frozen=True)
class Limits:
    """What an instance gets, everything that it starts included.

    Attributes:
        memory_mb: Its memory in MiB; ``None`` does not limit it.
        cpus: Its share of CPU time in vCPUs; ``None`` does not limit it.
        is_pinned: Whether it runs on cores of its own, as many as its vCPUs rounded up.
    """

    memory_mb: int | None = None
    cpus: float | None = None
    is_pinned: bool = False


NO_LIMITS = Limits()


@dataclass(frozen=True)
class Enforcement:
    """How limits are enforced on this machine.

    Attributes:
        memory: ``cgroup v1``, ``cgroup v2``, or ``rlimit``: each process's own data, whose allocations fail beyond it.
        cpu: ``cgroup v1``, ``cgroup v2``, or ``affinity``: whole cores, rounded up.
    """

    memory: str
    cpu: str


def enforcement() -> Enforcement:
    """How limits are enforced on this machine."""
    found = find_hierarchies()
    return Enforcement(
        "rlimit" if found.memory is None else f"cgroup v{found.memory.version}",
        "affinity" if found.cpu is None else f"cgroup v{found.cpu.version}",
    )


class Confinement:
    """What holds one server to its limits.

    Args:
        limits: The limits.

    Attributes:
        group: The control group; ``None`` if there are no limits, or no control groups.

    Raises:
        StartError: The kernel refuses the limits.
    """

    def __init__(self, limits: Limits) -> None:
        found = find_hierarchies()
        in_group = (limits.memory_mb and found.memory) or (limits.cpus and found.cpu)
        self.group = Group(found, limits.memory_mb, limits.cpus) if in_group else None
        self._entries = [] if self.group is None else _open_entries(self.group)
        self._data_bytes = limits.memory_mb << 20 if limits.memory_mb and found.memory is None else None
        has_cores = limits.cpus is not None and (limits.is_pinned or found.cpu is None)
        self._cores = _next_cores(math.ceil(limits.cpus or 0)) if has_cores else None

    def enter(self) -> None:
        """Put the calling process under the limits; called between fork and exec, so it makes system calls only."""
        for entry in self._entries:
            os.write(entry, b"0")
        if self._data_bytes is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (self._data_bytes, self._data_bytes))
        if self._cores is not None:
            os.sched_setaffinity(0, self._cores)

    def entered(self) -> None:
        """Note that the process has been started."""
        while self._entries:
            os.close(self._entries.pop())

    def end(self) -> None:
        """Kill what is left in the group, and remove it.

        Raises:
            OSError: The kernel does not let go of a process.
        """
        self.entered()
        if self.group is not None:
            self.group.remove()


def _open_entries(group: Group) -> list[int]:
    try:
        return group.open_entries()
    except OSError as error:
        group.remove()
        raise StartError(f"cannot start a server in a control group: {error}") from None


def _next_cores(count: int) -> list[int]:
    """Cores for the next instance, so that instances do not share some while others are idle."""
    cores = sorted(os.sched_getaffinity(0))
    wanted = min(count, len(cores))
    return [cores[next(_cores_taken) % len(cores)] for _ in range(wanted)]
