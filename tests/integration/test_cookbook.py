"""Every program of the cookbook runs, against the servers it names."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import urllib3
from PIL import Image

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "cookbook.md"
_SECTION = re.compile(r"^## (.+?)$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_PROGRAM = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROGRAMS = {heading: _PROGRAM.findall(text) for heading, text in _SECTION.findall(_PAGE.read_text(encoding="utf-8"))}
GRPC, REST = "127.0.0.1:8500", "127.0.0.1:8501"

_ENCODED = "print(encoded.size_bytes, len(latencies_ms), 0 < p50_ms <= p90_ms)"
_FASTAPI = """
from fastapi.testclient import TestClient

for _ in range(2):
    # Each has an event loop of its own.
    with TestClient(app) as browser:
        assert browser.post("/halve", json=[1, 2]).json() == [2.5, 3.0]
        refused = browser.post("/halve", json=[])
        print(refused.status_code)
"""
_FLASK = """
browser = app.test_client()
print(browser.post("/halve", json=[1, 2]).get_json())
"""


def _run(program: str, folder: Path, **variables: str) -> str:
    path = folder / "program.py"
    path.write_text(program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, path],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def served(models: Path, start_server: Callable[..., Any]) -> tuple[str, str]:
    """A model server of half_plus_two: the addresses of its gRPC and REST ports."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        rest_port = free.getsockname()[1]
    target, _ = start_server(
        "sdnn-model-server",
        "--port=0",
        f"--rest_api_port={rest_port}",
        "--host=127.0.0.1",
        "--model_name=half_plus_two",
        f"--model_base_path={models / 'half_plus_two'}",
        f"--reload_folder={models}",
    )
    return target, f"127.0.0.1:{rest_port}"


CALLS = {
    "A hundred predictions at once, with asyncio": (["2675.0"], ""),
    "One request again and again, encoded once": (["42 100 True"], _ENCODED),
    "In a FastAPI app": (["200\n200"], _FASTAPI),
    "In a Flask app": (["[2.5, 3.0]"], _FLASK),
    "Against stock TensorFlow Serving": (["float32[?] [2.5 3. ]\nfloat32[?] [2.5 3. ]"], ""),
    "From tensorflow-serving-api": (["[2.5 3. ]"] * 2, ""),
    "From tritonclient": (["[2.5 3. ]"] * 2, ""),
    "Which models a server serves, without TensorFlow": (["12"], ""),
    "Tests of your own code": (["[2.5] 1"], ""),
}


@pytest.mark.parametrize("heading", CALLS)
def test_programs(heading: str, served: tuple[str, str], models: Path, tmp_path: Path) -> None:
    expected, more = CALLS[heading]
    assert len(PROGRAMS[heading]) == len(expected)
    for program, output in zip(PROGRAMS[heading], expected, strict=True):
        placed = program.replace(GRPC, served[0]).replace(REST, served[1]).replace('"/models/', f'"{models}/')
        assert _run(placed + more, tmp_path).strip() == output


def _on_this_machine(program: str, target: str) -> str:
    """The program with a local server in the place of Cloud Run's, which has no tokens."""
    program = program.replace("https://dnn-abc-uc.a.run.app", f"grpc://{target}").replace(GRPC, target)
    return program.replace(", ClientOptions(id_token=True)", "")


def test_class_names(mobilenet: Path, start_server: Callable[..., Any], tmp_path: Path) -> None:
    target, _ = start_server("sdnn-cloudrun", SDNN_MODEL_BASE_PATH=str(mobilenet / "mobilenet_v1"))
    Image.new("RGB", (320, 240), "red").save(tmp_path / "photo.jpg")
    (program,) = PROGRAMS["From a photograph to class names, through Cloud Run"]

    names = _run(_on_this_machine(program, target), tmp_path)

    assert re.fullmatch(r"\[('[^']+'|\"[^\"]+\")(, ('[^']+'|\"[^\"]+\")){4}\]\n", names)


def test_boxes_and_sentiment(zoo: Path, start_server: Callable[..., Any], tmp_path: Path) -> None:
    target, _ = start_server("sdnn-cloudrun", timeout_s=200, SDNN_MODEL_BASE_PATH=str(zoo))
    Image.new("RGB", (320, 240), "red").save(tmp_path / "photo.jpg")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "film", "of", "rare", "warmth"]
    (tmp_path / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    (boxes,) = PROGRAMS["Boxes around objects, with YOLOv5"]
    (sentiment,) = PROGRAMS["The sentiment of a text, with BERT"]

    _run(_on_this_machine(boxes, target), tmp_path)
    told = _run(_on_this_machine(sentiment, target), tmp_path)

    assert Image.open(tmp_path / "boxes.png").size == (320, 240)
    assert re.search(r"'a film of rare warmth': '(positive|negative)'", told)


def test_gunicorn_forks_an_app_with_a_client(served: tuple[str, str], tmp_path: Path) -> None:
    (app,), (program,) = PROGRAMS["In a Flask app"], PROGRAMS["Under gunicorn, which forks"]
    (tmp_path / "flask_app.py").write_text(app.replace(GRPC, served[0]), encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    placed = program.replace("8080", str(port))
    (tmp_path / "program.py").write_text(placed, encoding="utf-8")
    with subprocess.Popen([sys.executable, "program.py"], cwd=tmp_path, start_new_session=True) as server:
        try:
            end_s = time.monotonic() + 60
            while True:
                try:
                    answer = urllib3.request("POST", f"http://127.0.0.1:{port}/halve", json=[1, 2], retries=False)
                    break
                except urllib3.exceptions.HTTPError:
                    assert time.monotonic() < end_s
                    time.sleep(0.05)
            assert answer.json() == [2.5, 3.0]
        finally:
            os.killpg(server.pid, 15)


def test_the_last_program_makes_a_client(tmp_path: Path) -> None:
    (program,) = PROGRAMS["Retries, and tensors too large for Lambda or SageMaker"]

    assert "LambdaClient of yolo_v5s at https://lambda.eu-central-1.amazonaws.com" in _run(
        program + "print(client)", tmp_path
    )


def test_no_program_is_left_out() -> None:
    tested = {*CALLS, *(heading for heading in PROGRAMS if heading.startswith(("From a photo", "Boxes", "The senti")))}
    others = {"Under gunicorn, which forks", "Retries, and tensors too large for Lambda or SageMaker"}

    assert {heading for heading, programs in PROGRAMS.items() if programs} == tested | others
