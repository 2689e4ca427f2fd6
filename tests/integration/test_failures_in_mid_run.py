"""A target that fails in mid-run costs what it had left to do, and nothing else."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest

# More than a warm-up sends.
_INTO_THE_ROUNDS = 100


@pytest.fixture
def started_run(models: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A run of two platforms, the first of which is in its first round."""
    command = [
        str(Path(sys.executable).parent / "sdnn-bench"), "run", "lambda", "cloudrun",
        "--model-path", str(models / "half_plus_two"), "--requests", "3000", "--rounds", "2", "--burst", "0",
        "--cold-starts", "0", "--instances", "1", "--no-json", "--no-empty-cache", "--no-floor",
        "--models-dir", str(tmp_path / "models"), "--runs-dir", str(tmp_path / "runs"),
    ]  # fmt: skip
    output = subprocess.PIPE
    with subprocess.Popen(command, stdout=output, stderr=output, text=True) as process:
        try:
            while _reports(tmp_path / "runs") < _INTO_THE_ROUNDS:
                assert process.poll() is None, process.communicate()
                time.sleep(0.02)
            yield process
        finally:
            process.kill()


def _reports(runs: Path) -> int:
    """How many invocations the local Lambda has logged."""
    return sum(log.read_text().count("REPORT RequestId") for log in runs.glob(".*/logs/lambda/lambda-*.log"))


def _front_door(process: subprocess.Popen[str], platform: str) -> psutil.Process:
    (door,) = (
        child
        for child in psutil.Process(process.pid).children()
        if f"local_{platform}.door" in " ".join(child.cmdline())
    )
    return door


def test_a_front_door_that_is_killed_costs_only_what_it_had_left(
    started_run: subprocess.Popen[str], tmp_path: Path
) -> None:
    _front_door(started_run, "lambda").kill()

    stdout, stderr = started_run.communicate(timeout=120)

    assert started_run.returncode == 1, stdout + stderr
    (folder,) = (tmp_path / "runs").iterdir()
    assert not folder.name.startswith(".")
    run: dict[str, Any] = json.loads((folder / "run.json").read_text())
    assert run["verdict"] == "INCOMPLETE"
    (finding,) = (each for each in run["findings"] if each["code"] == "INCOMPLETE")
    assert finding["configuration"] == "lambda"
    assert "the front door of AWS Lambda, local does not answer" in finding["message"]
    assert "(log: logs/lambda/door-of-lambda.log)" in finding["message"]
    assert (folder / "logs" / "lambda" / "door-of-lambda.log").exists()
    rows = pq.read_table(folder / "requests.parquet").to_pylist()
    answered = {
        name: sum((row["configuration"], row["experiment"], row["status"]) == (name, "closed", "OK") for row in rows)
        for name in ("lambda", "cloudrun")
    }
    # The other platform is measured to its end.
    assert 0 < answered["lambda"] < answered["cloudrun"] == 3000
    assert "INCOMPLETE" in stdout
    assert (folder / "report.html").exists()
    assert f"{folder} has what was" in stderr.replace("\n", " ")
    assert "Traceback" not in stderr
