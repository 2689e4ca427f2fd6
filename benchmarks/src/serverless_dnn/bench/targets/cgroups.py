"""Control groups of version 1 and 2: where they can be made, and one for each server.

The rules are the kernel's: https://docs.kernel.org/admin-guide/cgroup-v2.html and
https://docs.kernel.org/admin-guide/cgroup-v1/memory.html.
"""

import atexit
import os
import secrets
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from serverless_dnn.bench.errors import StartError
from serverless_dnn.bench.targets import cgroup_keeper

_MOUNT = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
# How long one period of the CPU quota is. Lambda's was measured as 20 ms (https://arxiv.org/abs/2506.01283). With the
# kernel's default of 100 ms, a request of 40 ms could have half a vCPU's quota of a whole period to itself, and would
# be as fast as with a whole vCPU.
_PERIOD_US = 20_000
_LEAST_QUOTA_US = 1_000
_KEEPER_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Hierarchy:
    """Where groups for one controller can be made.

    Attributes:
        version: The version of control groups.
        folder: Groups are made below it.
        own: The folder of this process's own group.
    """

    version: Literal[1, 2]
    folder: Path
    own: Path


@dataclass(frozen=True)
class Hierarchies:
    """Where groups can be made; ``None`` where they cannot.

    Attributes:
        memory: Limits memory.
        cpu: Limits CPU.
        cpu_time: Counts CPU time.
    """

    memory: Hierarchy | None
    cpu: Hierarchy | None
    cpu_time: Hierarchy | None


def find_hierarchies(mount: Path = _MOUNT, membership: Path = _MEMBERSHIP) -> Hierarchies:
    """Where this process may make groups. A controller belongs to version 1 or to version 2, never to both.

    Args:
        mount: Where control groups are mounted.
        membership: The file that tells this process's groups.

    Returns:
        The places.
    """
    try:
        own = _own_groups(membership.read_text(encoding="utf-8"))
    except OSError:
        return Hierarchies(None, None, None)
    memory, cpu = (_find_v1(mount, own, each) or _find_v2(mount, own, each) for each in ("memory", "cpu"))
    cpu_time = _find_v1(mount, own, "cpuacct") or (cpu if cpu is not None and cpu.version == 2 else None)
    return Hierarchies(memory, cpu, cpu_time)


def _own_groups(text: str) -> dict[str, str]:
    """The group by controller; version 2 has the empty name."""
    groups = {}
    for line in text.splitlines():
        number, controllers, path = line.split(":", 2)
        names = [""] if number == "0" else controllers.split(",")
        groups.update(dict.fromkeys(names, path.lstrip("/")))
    return groups


def _below(root: Path, path: str) -> Path:
    # A container is often shown its own group as the root, and told the path that the host sees.
    return root / path if (root / path).is_dir() else root


def _is_writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK | os.X_OK) and os.access(folder / "cgroup.procs", os.W_OK)


def _find_v1(mount: Path, own: dict[str, str], controller: str) -> Hierarchy | None:
    if controller not in own:
        return None
    folder = _below(mount / controller, own[controller])
    return Hierarchy(1, folder, folder) if _is_writable(folder) else None


def _find_v2(mount: Path, own: dict[str, str], controller: str) -> Hierarchy | None:
    """The nearest group from this process's own upwards whose children may have the controller.

    A group that has processes of its own cannot hand controllers to its children, so it is normally not the own one
    but its parent, such as a user's slice.
    """
    root = next((each for each in (mount, mount / "unified") if (each / "cgroup.controllers").is_file()), None)
    if root is None or "" not in own:
        return None
    folder = own_folder = _below(root, own[""])
    while True:
        if _is_writable(folder) and _hands_down(folder, controller):
            return Hierarchy(2, folder, own_folder)
        if folder == root:
            return None
        folder = folder.parent


def _hands_down(folder: Path, controller: str) -> bool:
    if controller in (folder / "cgroup.subtree_control").read_text(encoding="ascii").split():
        return True
    if controller not in (folder / "cgroup.controllers").read_text(encoding="ascii").split():
        return False
    # The file is missing in the root of all groups, which alone may have both processes and children.
    is_root = not (folder / "cgroup.type").exists()
    if not is_root and (folder / "cgroup.procs").read_text(encoding="ascii"):
        return False
    return os.access(folder / "cgroup.subtree_control", os.W_OK)


class Group:
    """A server's control group: one folder in each hierarchy that is needed.

    Args:
        places: Where groups can be made.
        memory_mb: The limit of its memory in MiB, swap included; ``None`` has none.
        cpus: The limit of its CPU time in vCPUs; ``None`` has none.

    Raises:
        StartError: The kernel refuses it.
    """

    def __init__(self, places: Hierarchies, memory_mb: int | None, cpus: float | None) -> None:
        name = f"sdnn-bench-{os.getpid()}-{secrets.token_hex(4)}"
        wanted = (places.memory if memory_mb else None, places.cpu if cpus else None, places.cpu_time)
        # A folder can serve several controllers.
        self._places = {place.folder / name: place for place in wanted if place is not None}
        self._memory, self._cpu, self._cpu_time = (None if each is None else each.folder / name for each in wanted)
        self._versions = {folder: place.version for folder, place in self._places.items()}
        try:
            for folder, place in self._places.items():
                _keeper().tell(f"+{folder}")
                if place.version == 2:
                    _hand_down(place.folder, memory=folder == self._memory, cpu=folder == self._cpu)
                folder.mkdir()
            if self._memory is not None and memory_mb is not None:
                _limit_memory(self._memory, self._versions[self._memory], memory_mb << 20)
            if self._cpu is not None and cpus is not None:
                _limit_cpu(self._cpu, self._versions[self._cpu], cpus)
        except OSError as error:
            self.remove()
            raise StartError(f"cannot limit a server's memory or CPU: {error}") from None

    def open_entries(self) -> list[int]:
        """Open what a process has to write ``0`` to in order to be in the group.

        Returns:
            File descriptors, to be closed.
        """
        # The first move of a process after a while waits for the kernel's readers of the groups, for 10 ms and more.
        # This one, to where this process already is, waits in place of the server, which has not been started yet.
        own = next(iter(self._places.values())).own / "cgroup.procs"
        if os.access(own, os.W_OK):
            own.write_bytes(b"0")
        return [os.open(folder / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC) for folder in self._places]

    def process_ids(self) -> list[int]:
        """The processes in the group."""
        folder = next(iter(self._places))
        return [int(line) for line in (folder / "cgroup.procs").read_text(encoding="ascii").splitlines()]

    def peak_memory_bytes(self) -> int | None:
        """The most memory it has used, with page cache; ``None`` if it is not known."""
        if self._memory is None:
            return None
        name = "memory.max_usage_in_bytes" if self._versions[self._memory] == 1 else "memory.peak"
        # Kernels before 5.19 do not have the latter.
        return int(text) if (text := _read(self._memory / name)) else None

    def cpu_ns(self) -> int | None:
        """The CPU time it has used; ``None`` if it is not known."""
        if self._cpu_time is None:
            return None
        if self._versions[self._cpu_time] == 1:
            return int((self._cpu_time / "cpuacct.usage").read_text(encoding="ascii"))
        return _value(self._cpu_time / "cpu.stat", "usage_usec") * 1000

    def is_out_of_memory(self) -> bool:
        """Whether the kernel has killed a process of it because its memory was used up."""
        if self._memory is None:
            return False
        name = "memory.oom_control" if self._versions[self._memory] == 1 else "memory.events"
        return _value(self._memory / name, "oom_kill") > 0

    def remove(self) -> None:
        """Kill what is in it, and remove it.

        Raises:
            OSError: The kernel does not let go of a process.
        """
        for folder in self._places:
            cgroup_keeper.clear(folder)
            _keeper().tell(f"-{folder}")


def _hand_down(folder: Path, *, memory: bool, cpu: bool) -> None:
    path = folder / "cgroup.subtree_control"
    has = path.read_text(encoding="ascii").split()
    wanted = [name for name, is_wanted in (("memory", memory), ("cpu", cpu)) if is_wanted and name not in has]
    if wanted:
        path.write_text(" ".join(f"+{name}" for name in wanted), encoding="ascii")


def _limit_memory(folder: Path, version: int, limit_bytes: int) -> None:
    if version == 1:
        (folder / "memory.limit_in_bytes").write_text(str(limit_bytes), encoding="ascii")
        with_swap = folder / "memory.memsw.limit_in_bytes"
        if with_swap.exists():
            with_swap.write_text(str(limit_bytes), encoding="ascii")
        return
    (folder / "memory.max").write_text(str(limit_bytes), encoding="ascii")
    if (folder / "memory.swap.max").exists():
        (folder / "memory.swap.max").write_text("0", encoding="ascii")
    # As the platforms do: no half of an instance survives.
    (folder / "memory.oom.group").write_text("1", encoding="ascii")


def _limit_cpu(folder: Path, version: int, cpus: float) -> None:
    quota_us = max(_LEAST_QUOTA_US, round(cpus * _PERIOD_US))
    if version == 1:
        (folder / "cpu.cfs_period_us").write_text(str(_PERIOD_US), encoding="ascii")
        (folder / "cpu.cfs_quota_us").write_text(str(quota_us), encoding="ascii")
    else:
        (folder / "cpu.max").write_text(f"{quota_us} {_PERIOD_US}", encoding="ascii")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        return ""


def _value(path: Path, key: str) -> int:
    """The value of a key in a file of one ``key value`` a line; 0 without the key, as on old kernels."""
    pairs = (line.split() for line in path.read_text(encoding="ascii").splitlines())
    return next((int(value) for name, value in pairs if name == key), 0)


class _Keeper:
    """The process that removes groups when this one has ended without doing so."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", cgroup_keeper.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            # Neither Ctrl-C nor a signal to this process's group reaches it.
            start_new_session=True,
        )
        self.parent = os.getpid()
        atexit.register(self._close)

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{line}\n".encode())
        except BrokenPipeError:
            raise StartError("the process that cleans up control groups was killed: start again") from None

    def _close(self) -> None:
        if self.parent == os.getpid():
            self._process.communicate(timeout=_KEEPER_TIMEOUT_S)


_keepers: list[_Keeper] = []
_keepers_lock = threading.Lock()


def _keeper() -> _Keeper:
    """This process's keeper; one that a fork has left to it is its parent's."""
    with _keepers_lock:
        if not _keepers or _keepers[-1].parent != os.getpid():
            _keepers.append(_Keeper())
        return _keepers[-1]
