"""Where groups can be made, what is written to them and read from them, on folders that look like the kernel's."""

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from serverless_dnn.bench.targets.cgroups import Group, Hierarchies, Hierarchy, find_hierarchies

V1 = "4:memory:/job\n2:cpu,cpuacct:/job\n1:name=systemd:/job\n0::/job\n"
V2 = "0::/user.slice/shell.scope\n"
BOTH = "cpu io memory pids\n"
Files = Mapping[str, str]


def _tree(root: Path, files: Files) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def _v2(folder: str, *, hands_down: str = "", processes: str = "", has: str = BOTH, is_root: bool = False) -> Files:
    files = {
        f"{folder}/cgroup.procs": processes,
        f"{folder}/cgroup.controllers": has,
        f"{folder}/cgroup.subtree_control": hands_down,
    }
    return files if is_root else {**files, f"{folder}/cgroup.type": "domain\n"}


def _find(tmp_path: Path, membership: str, files: Files) -> Hierarchies:
    (tmp_path / "membership").write_text(membership)
    return find_hierarchies(_tree(tmp_path / "mount", files), tmp_path / "membership")


def test_version_1_below_the_own_group(tmp_path: Path) -> None:
    folders = [tmp_path / "mount" / name / "job" for name in ("memory", "cpu", "cpuacct")]

    found = _find(tmp_path, V1, {f"{name}/job/cgroup.procs": "1\n" for name in ("memory", "cpu", "cpuacct")})

    memory, cpu, cpu_time = (Hierarchy(1, folder, folder) for folder in folders)
    assert found == Hierarchies(memory, cpu, cpu_time)


def test_a_container_that_sees_only_its_own_group(tmp_path: Path) -> None:
    found = _find(tmp_path, V1, {"memory/cgroup.procs": "1\n"})

    assert found == Hierarchies(Hierarchy(1, tmp_path / "mount/memory", tmp_path / "mount/memory"), None, None)


def test_version_2_beside_the_own_group_which_has_processes(tmp_path: Path) -> None:
    files = {
        **_v2(".", hands_down=BOTH, is_root=True),
        **_v2("user.slice", hands_down="cpu memory\n"),
        **_v2("user.slice/shell.scope", processes="123\n"),
    }
    slice_ = tmp_path / "mount" / "user.slice"
    place = Hierarchy(2, slice_, slice_ / "shell.scope")

    assert _find(tmp_path, V2, files) == Hierarchies(place, place, place)


def test_version_2_in_a_group_without_processes_that_can_hand_down(tmp_path: Path) -> None:
    files = {
        **_v2(".", is_root=True),
        **_v2("user.slice"),
        **_v2("user.slice/shell.scope", processes="123\n"),
    }

    memory = _find(tmp_path, V2, files).memory

    assert memory is not None
    assert memory.folder == tmp_path / "mount" / "user.slice"


def test_version_2_in_the_root_of_all_groups_which_may_have_processes(tmp_path: Path) -> None:
    memory = _find(tmp_path, "0::/\n", _v2(".", processes="1\n", is_root=True)).memory

    assert memory is not None
    assert memory.folder == tmp_path / "mount"


@pytest.mark.parametrize(
    ("membership", "files"),
    [
        ("0::/\n", _v2(".", processes="1\n")),
        ("0::/\n", _v2(".", has="hugetlb\n", is_root=True)),
        ("", {}),
        (V1, {}),
    ],
    ids=["a container's root, with its processes", "no such controllers", "nothing", "not mounted"],
)
def test_no_place(tmp_path: Path, membership: str, files: Files) -> None:
    assert _find(tmp_path, membership, files) == Hierarchies(None, None, None)


def test_each_controller_where_it_is(tmp_path: Path) -> None:
    files = {"memory/job/cgroup.procs": "1\n", **_v2("unified", has="cpu\n", is_root=True)}

    found = _find(tmp_path, "4:memory:/job\n0::/\n", files)

    assert found.memory is not None
    assert found.cpu is not None
    assert found.cpu_time == found.cpu
    assert (found.memory.version, found.cpu.version) == (1, 2)


@pytest.fixture
def place(tmp_path: Path) -> Hierarchy:
    """A group of version 2 that hands down CPU, and could hand down memory."""
    root = _tree(tmp_path, {**_v2("slice", hands_down="cpu\n"), **_v2("slice/own", processes="1\n")})
    return Hierarchy(2, root / "slice", root / "slice" / "own")


@pytest.fixture
def group(place: Hierarchy) -> Iterator[Group]:
    """A group with half a vCPU and 512 MiB."""
    made = Group(Hierarchies(place, place, place), 512, 0.5)
    yield made
    # An ordinary folder is not removed with its files in it, as the kernel's are.
    shutil.rmtree(_folder(place))
    made.remove()


def _folder(place: Hierarchy) -> Path:
    return next(place.folder.glob("sdnn-bench-*"))


def test_limits_of_version_2(group: Group, place: Hierarchy) -> None:
    folder = _folder(place)

    assert (folder / "memory.max").read_text() == str(512 << 20)
    assert (folder / "memory.oom.group").read_text() == "1"
    quota, period = (folder / "cpu.max").read_text().split()
    assert int(quota) / int(period) == 0.5
    assert (place.folder / "cgroup.subtree_control").read_text() == "+memory"


def test_readings_of_version_2(group: Group, place: Hierarchy) -> None:
    _tree(
        _folder(place),
        {
            "cgroup.procs": "12\n34\n",
            "memory.peak": "1048576\n",
            "memory.events": "low 0\nmax 3\noom 1\noom_kill 0\noom_group_kill 0\n",
            "cpu.stat": "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\n",
        },
    )

    assert group.process_ids() == [12, 34]
    assert group.peak_memory_bytes() == 1 << 20
    assert group.cpu_ns() == 1_500_000
    assert not group.is_out_of_memory()

    (_folder(place) / "memory.events").write_text("oom 1\noom_kill 2\n")
    (_folder(place) / "memory.peak").unlink()

    assert group.is_out_of_memory()
    assert group.peak_memory_bytes() is None


def test_a_process_enters_by_writing_to_what_is_open(group: Group, place: Hierarchy) -> None:
    _tree(_folder(place), {"cgroup.procs": ""})

    (entry,) = group.open_entries()
    os.write(entry, b"0")
    os.close(entry)

    assert (_folder(place) / "cgroup.procs").read_text() == "0"
