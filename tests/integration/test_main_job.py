"""The main job measures all three platforms, and an interrupt leaves neither process nor half-written run."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest


def _bench(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).parent / "sdnn-bench"), *arguments]


def _our_servers(root: Path) -> list[int]:
    """Processes that serve a model below a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("SDNN_MODEL_BASE_PATH", "").startswith(str(root)):
                found.append(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def test_the_main_job(
    mobilenet: Path, tmp_path: Path, run_command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = run_command(
        *_bench("run", "--requests", "4", "--models-dir", str(mobilenet), "--runs-dir", str(tmp_path)), COLUMNS="180"
    )

    assert done.returncode == 0, done.stderr
    (folder,) = tmp_path.iterdir()
    run = json.loads((folder / "run.json").read_text())
    assert run["verdict"] == "VALID", run["reasons"]
    assert run["largest_difference"] <= 1e-4
    assert [platform["name"] for platform in run["platforms"]] == ["lambda", "sagemaker", "cloudrun"]
    for platform in run["platforms"]:
        facts = platform["engine_facts"]
        assert platform["engine"] == f"{facts['name']} {facts['version']} {facts['precision']}"
        assert facts["reason"] == "every operator of serving_default is proven equal to tensorflow's"
        assert facts["threads"] >= 1
        assert platform["warnings"] == []
    rows = pq.read_table(folder / "requests.parquet").to_pylist()
    for platform in ("lambda", "sagemaker", "cloudrun"):
        of_platform = [row for row in rows if row["platform"] == platform]
        assert {"cold": 1, "sequential": 4, "burst": 4}.items() <= {
            experiment: sum(row["experiment"] == experiment for row in of_platform)
            for experiment in ("cold", "sequential", "burst")
        }.items()
        cold = next(row for row in of_platform if row["experiment"] == "cold")
        assert cold["cold"]
        assert cold["latency_ns"] > cold["cold_ns"] > cold["cold_load_ns"] > 0
        assert all(row["status"] == "OK" for row in of_platform)
        assert all(row["server_compute_ns"] < row["latency_ns"] for row in of_platform)
    assert (folder / "report.html").stat().st_size > 10_000
    assert "VALID" in done.stdout
    assert _our_servers(mobilenet) == []

    again = run_command(*_bench("report", str(folder)), COLUMNS="180")
    assert again.returncode == 0
    assert again.stdout.splitlines()[:-1] == done.stdout.splitlines()[:-1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupt_leaves_nothing_behind(number: signal.Signals, mobilenet: Path, tmp_path: Path) -> None:
    command = _bench("run", "--requests", "1000", "--models-dir", str(mobilenet), "--runs-dir", str(tmp_path))
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
    try:
        while not _our_servers(mobilenet):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        process.wait(60)
    finally:
        process.kill()
    deadline_s = time.monotonic() + 20
    while _our_servers(mobilenet) and time.monotonic() < deadline_s:
        time.sleep(0.05)

    assert _our_servers(mobilenet) == []
    # What cannot run any code any more cannot tidy up, but its folder keeps the name of one in the making.
    assert [path for path in tmp_path.iterdir() if not path.name.startswith(".")] == []
    if number is signal.SIGINT:
        assert process.returncode == 130
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("run", "--model", "resnet"), "no model is called 'resnet'"),
        (("run", "--photograph", "nope.jpg"), "nope.jpg is not a picture"),
        (("report", "nope"), "nope is not a run's folder"),
    ],
)
def test_wrong_options_are_one_line(
    arguments: tuple[str, ...], text: str, run_command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = run_command(*_bench(*arguments))

    assert done.returncode == 1
    assert done.stderr.startswith("sdnn-bench: ")
    assert text in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["sdnn-bench", "sdnn-models", "sdnn-cloudrun", "sdnn-sagemaker", "sdnn-lambda"])
def test_help_has_an_example(command: str, run_command: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    subcommand = {"sdnn-bench": ["run"], "sdnn-models": ["export"]}.get(command, [])

    printed = run_command(command, *subcommand, "--help")

    assert printed.returncode == 0
    assert command in printed.stdout.partition("\n")[2]
