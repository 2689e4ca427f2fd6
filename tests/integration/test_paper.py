"""The paper's experiments, rerun for real: what is in the folder, what is made anew from it, what an interrupt leaves."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import psutil
import pytest

from serverless_dnn.bench.experiments.paper.model_server import model_server
from serverless_dnn.client import connect

_SVG = "{http://www.w3.org/2000/svg}"


def _paper(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from serverless_dnn.bench.paper_cli import paper; paper()", *arguments]


def _q1b(models: Path, runs: Path, *names: str) -> list[str]:
    chosen = [part for name in names for part in ("--model", name)]
    return _paper("q1b", "--quick", *chosen, "--models-dir", str(models), "--runs-dir", str(runs))


def _verdicts(folder: Path) -> dict[str, str]:
    claims = json.loads((folder / "claims.json").read_text())["claims"]
    return {each["claim"]["name"]: each["verdict"] for each in claims}


@pytest.fixture(scope="module")
def interrupted(mobilenet: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """Q1b on two models, interrupted after the first: its folder, and the status that it ended with."""
    runs = tmp_path_factory.mktemp("paper")
    # The second model is not exported there, which takes long enough to be interrupted.
    process = subprocess.Popen(
        _q1b(mobilenet, runs, "mobilenet_v1", "bert_base"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        end_s = time.monotonic() + 300
        while not list(runs.glob("*-paper/q1b/mobilenet_v1/*/report.html")) and time.monotonic() < end_s:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        status = process.wait(120)
    finally:
        process.kill()
        process.wait()
    (found,) = runs.iterdir()
    return found, status


@pytest.fixture(scope="module")
def folder(interrupted: tuple[Path, int]) -> Path:
    """Q1b on one of its two models."""
    return interrupted[0]


def test_a_claim_about_two_models_cannot_be_tested_with_one(folder: Path) -> None:
    verdicts = _verdicts(folder)
    assert verdicts["q1b.larger"] == verdicts["q1b.overhead"] == "cannot be tested here"
    assert verdicts["sizes.inputs"] == "reproduced"


def test_the_run_records_how_instructions_were_capped(folder: Path) -> None:
    (path,) = folder.glob("q1b/mobilenet_v1/*/run.json")
    run = json.loads(path.read_text())
    variables = {
        each["configuration"]["label"]: each["configuration"]["variables"].get("ONEDNN_MAX_CPU_ISA")
        for each in run["configurations"]
    }
    assert variables == {
        "tensorflow all": None, "tensorflow AVX2": "AVX2", "openvino all": None, "openvino AVX2": "AVX2",
    }  # fmt: skip
    # Capped or not, it is the same model.
    assert run["largest_difference"] <= 1e-4


def test_the_figure_can_be_read_alone(folder: Path) -> None:
    root = ET.parse(folder / "q1b.svg").getroot()
    texts = [element.text for element in root.iter(f"{_SVG}text")]
    assert {"What AVX-512 saves", "MobileNetV1", "TensorFlow", "OpenVINO", "AVX2", "all"} <= set(texts)
    assert len(list(root.iter(f"{_SVG}circle"))) == 4


def test_everything_is_made_anew_from_the_runs_alone(
    folder: Path, run_command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    made = ("claims.json", "paper.html", "q1b.svg", "sizes.svg")
    before = {name: (folder / name).read_text() for name in made}
    for name in made:
        (folder / name).unlink()
    done = run_command(*_paper("show", str(folder), "--markdown", "--figures-url", "images/"))
    assert done.returncode == 0, done.stderr
    assert {name: (folder / name).read_text() for name in made} == before
    assert "![What AVX-512 saves](images/q1b.svg)" in done.stdout
    assert "| MobileNetV1 | OpenVINO |" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("q1a", "--model", "resnet"), "resnet"),
        (("show", "/nowhere"), "not a paper's folder"),
        (("q1b", "--into", "/nowhere"), "not a paper's folder"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_line(
    arguments: tuple[str, ...],
    problem: str,
    tmp_path: Path,
    run_command: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    more = () if arguments[0] == "show" else ("--runs-dir", str(tmp_path))
    done = run_command(*_paper(*arguments, *more))
    assert done.returncode == 1
    assert problem in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_keeps_what_was_measured_and_leaves_no_process(interrupted: tuple[Path, int]) -> None:
    folder, status = interrupted
    assert status == 130
    assert "mobilenet_v1" in (folder / "paper.html").read_text()
    assert _verdicts(folder)["q1b.larger"] == "cannot be tested here"
    assert not [each for each in psutil.process_iter(["cmdline"]) if str(folder.parent) in str(each.info["cmdline"])]


def test_rest_and_grpc_reach_one_and_the_same_server(mobilenet: Path, tmp_path: Path) -> None:
    inputs: dict[str, Any] = {"input": np.full((1, 224, 224, 3), 0.5, np.float32)}
    answers = []
    with model_server("mobilenet_v1", mobilenet / "mobilenet_v1", tmp_path / "server.log") as urls:
        for url in urls:
            with connect(url, "mobilenet_v1") as client:
                answers.append(client.predict(inputs))
    grpc, rest = answers
    np.testing.assert_array_equal(grpc.outputs["predictions"], rest.outputs["predictions"])
    assert grpc.timing.server is not None
    assert rest.timing.server is not None
    assert grpc.timing.server.instance == rest.timing.server.instance
