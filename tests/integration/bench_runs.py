"""Runs of ``sdnn-bench``: its command, what it recorded, and what is left of it."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq


def bench(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).parent / "sdnn-bench"), *arguments]


def _of_benchmark(root: Path) -> list[int]:
    """Processes that have something to do with a model or a run below a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            of_server = process.environ().get("SDNN_MODEL_BASE_PATH", "")
            if of_server.startswith(str(root)) or any(str(root) in argument for argument in process.cmdline()):
                found.append(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def _orphaned_groups() -> list[Path]:
    """Control groups of processes that are gone: each is called by the process that made it."""
    groups = Path("/sys/fs/cgroup").glob("**/sdnn-bench-*")
    return [group for group in groups if not psutil.pid_exists(int(group.name.split("-")[2]))]


def left_over(root: Path) -> tuple[list[int], list[Path]]:
    """What is left once all had time to end."""
    deadline_s = time.monotonic() + 20
    while (left := (_of_benchmark(root), _orphaned_groups())) != ([], []) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    return left


def the_run(runs: Path) -> tuple[dict[str, Any], list[dict[str, Any]], Path]:
    (folder,) = runs.iterdir()
    return json.loads((folder / "run.json").read_text()), pq.read_table(folder / "requests.parquet").to_pylist(), folder


def codes(run: dict[str, Any], severity: str = "invalid") -> list[str]:
    return [finding["code"] for finding in run["findings"] if finding["severity"] == severity]
