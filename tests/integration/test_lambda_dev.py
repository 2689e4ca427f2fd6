"""`sdnn-lambda dev`: one's own SavedModel behind the handler, over HTTP, started again when it changes."""

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import urllib3

COMMAND = str(Path(sys.executable).with_name("sdnn-lambda"))
WAIT_S = 60
_http = urllib3.PoolManager(retries=False)


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Start the command; gives its URL."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*options: str) -> str:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with (tmp_path / "dev.log").open("wb") as log:
            command = [COMMAND, "dev", "--engine", "openvino", "--port", str(port), *options]
            started.append(subprocess.Popen(command, stdout=log, stderr=log, process_group=0))
        url = f"http://127.0.0.1:{port}"
        _until(lambda: _ask("GET", f"{url}/v1/models/half") is not None)
        return url

    yield start
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _ask(method: str, url: str, body: bytes = b"", **headers: str) -> urllib3.BaseHTTPResponse | None:
    try:
        return _http.request(method, url, body=body, headers={"Content-Type": "application/json", **headers})
    except urllib3.exceptions.HTTPError:
        return None


def _until(condition: Callable[[], Any]) -> None:
    end_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end_s, "it never came to that"
        time.sleep(0.05)


def test_json_npy_and_errors(models: Path, tmp_path: Path, dev: Callable[..., str]) -> None:
    shutil.copytree(models / "half_plus_two" / "1", tmp_path / "half" / "1")
    url = dev("--model-base-path", str(tmp_path / "half"), "--no-reload")
    body = io.BytesIO()
    np.save(body, np.array([1.0, 2.0], np.float32))

    answer = _ask("POST", f"{url}/v1/models/half:predict", b'{"instances": [1.0, NaN]}')
    npy = _ask("POST", f"{url}/prod/v1/models/half:predict", body.getvalue(), **{"Content-Type": "application/x-npy"})
    missing = _ask("POST", f"{url}/v1/models/other:predict", b"{}")

    assert answer is not None
    assert npy is not None
    assert missing is not None
    assert answer.data == b'{"predictions":[2.5,NaN]}'
    assert "compute;dur=" in answer.headers["Server-Timing"]
    assert np.load(io.BytesIO(npy.data)).tolist() == [2.5, 3.0]
    assert (missing.status, json.loads(missing.data)["error"]) == (404, "Servable not found for request: Latest(other)")


def test_a_changed_model_is_served(models: Path, tmp_path: Path, dev: Callable[..., str]) -> None:
    shutil.copytree(models / "half_plus_two" / "1", tmp_path / "half" / "1")
    url = dev("--model-base-path", str(tmp_path / "half"))

    def versions() -> list[str]:
        reply = _ask("GET", f"{url}/v1/models/half")
        return [] if reply is None else [each["version"] for each in json.loads(reply.data)["model_version_status"]]

    assert versions() == ["1"]
    shutil.copytree(models / "half_plus_two" / "1", tmp_path / "half" / "2")
    later_s = time.time() + 5
    os.utime(tmp_path / "half" / "1" / "saved_model.pb", (later_s, later_s))

    _until(lambda: versions() == ["2"])


def test_a_model_that_is_not_there() -> None:
    done = subprocess.run(
        [COMMAND, "dev", "--no-reload", "--model-base-path", "/nowhere"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("sdnn-lambda: cannot read the model folder /nowhere")
