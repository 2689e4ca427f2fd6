"""How much memory this process may really use: a container's limit, not the host's size."""

import os
from pathlib import Path

from serverless_dnn.runtime.cpus import own_cgroup

# What the requests in work may take of the memory that is free once models are loaded. Beside what is counted, a
# request takes as much again for its inputs in the engine, for its outputs, and twice for its answer while that grows.
_REQUESTS_SHARE = 0.25


def memory_for_requests(cgroup_root: Path = Path("/sys/fs/cgroup")) -> int:
    """How much the requests in work may take together, given what the process takes now.

    Args:
        cgroup_root: Where cgroups are mounted.

    Returns:
        Bytes.
    """
    return int(max(0, memory_limit(cgroup_root) - _resident_bytes()) * _REQUESTS_SHARE)


def memory_limit(cgroup_root: Path = Path("/sys/fs/cgroup")) -> int:
    """How much memory this process may use at all: the cgroup's limit (v2, v1), or the machine's memory.

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


def _resident_bytes() -> int:
    return int(_read(Path("/proc/self/statm")).split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
