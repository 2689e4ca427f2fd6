"""Strict type checkers accept a user's program, and know what it gets."""

import json
import subprocess
import sys
from pathlib import Path

_PROGRAM = Path(__file__).with_name("typed_program.py")


def test_mypy(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file",
        "",
        "--cache-dir",
        str(tmp_path),
        str(_PROGRAM),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    errors = [line for line in done.stdout.splitlines() if _PROGRAM.name in line and "error" in line]
    assert not errors, done.stdout


def test_pyright(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, str(_PROGRAM)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    report = json.loads(done.stdout)
    assert not report["generalDiagnostics"], done.stdout
    assert report["summary"]["filesAnalyzed"] == 1
