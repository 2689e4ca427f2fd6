"""How much memory this process may actually use: the container's limit, not the host's total."""

import os
from pathlib import Path

from serverless_dnn.runtime.cpus import own_cgroup

# The share of the memory left once models are loaded that requests in flight may use. On top of what is counted, a
# request needs as much again for its inputs in the engine, for its outputs, and twice for its response while that
# grows.
_REQUESTS_SHARE = 0.25


def memory_for_requests(cgroup_root: Path = Path("/sys/fs/cgroup")) -> int:
    """How much memory all requests in flight may use together, given the process's current usage.

    Args:
        cgroup_root: Where cgroups are mounted.

    Returns:
        Bytes.
    """
    return int(max(0, memory_limit(cgroup_root) - resident_bytes()) * _REQUESTS_SHARE)


def memory_limit(cgroup_root: Path = Path("/sys/fs/cgroup")) -> int:
    """How much memory this process may use in total: the cgroup's limit (v2, v1), or the machine's memory.

    Args:
        cgroup_root: Where cgroups are mounted.

    Returns:
        Bytes.
    """
    root = cgroup_root
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    files = (
        own_cgroup(root, "0", "") / "memory.max",
        own_cgroup(root / "memory", None, "memory") / "memory.limit_in_bytes",
    )
    limits = [int(text) for path in files if (text := _read(path)).isdecimal()]
    return min([machine, *limits])


def resident_bytes(process_id: int | None = None) -> int:
    """How much memory a process occupies now.

    Args:
        process_id: The process; ``None`` means this one.

    Returns:
        Bytes; 0 if there is no such process.
    """
    fields = _read(Path(f"/proc/{process_id or 'self'}/statm")).split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") if fields else 0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
