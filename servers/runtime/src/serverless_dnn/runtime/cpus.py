"""How many CPUs this process may actually use: the container's quota, not the host's count."""

import math
import os
from pathlib import Path


def effective_cpus(cgroup_root: Path = Path("/sys/fs/cgroup")) -> int:
    """CPUs by affinity and by cgroup quota (v2 ``cpu.max``, v1 ``cpu.cfs_quota_us``), whichever is less.

    Args:
        cgroup_root: Where cgroups are mounted.

    Returns:
        At least 1; a fraction of a CPU counts as one.
    """
    allowed = len(os.sched_getaffinity(0))
    quota = _quota_v2(cgroup_root) or _quota_v1(cgroup_root)
    return max(1, allowed if quota is None else min(allowed, math.ceil(quota)))


def _quota_v2(root: Path) -> float | None:
    path = own_cgroup(root, "0", "") / "cpu.max"
    try:
        quota, period = path.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else int(quota) / int(period)


def _quota_v1(root: Path) -> float | None:
    folder = own_cgroup(root / "cpu", None, "cpu")
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text(encoding="ascii"))
        period = int((folder / "cpu.cfs_period_us").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return None if quota <= 0 else quota / period


def own_cgroup(root: Path, hierarchy: str | None, controller: str) -> Path:
    """This process's cgroup folder below a mount; the mount itself where a container sees only its own cgroup.

    Args:
        root: The mount.
        hierarchy: The hierarchy's number, ``0`` for version 2; ``None`` finds it by the controller.
        controller: The controller of version 1.

    Returns:
        The folder.
    """
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return root
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if (hierarchy == number and not controllers) or (controller and controller in controllers.split(",")):
            own = root / path.lstrip("/")
            return own if own.is_dir() else root
    return root
