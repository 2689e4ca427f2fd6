"""What may go wrong in a SageMaker container: its model server, the user's script, its disk. Nothing is lost silently."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
import urllib3

Start = Callable[..., tuple[str, Any]]
JSON = {"Content-Type": "application/json"}
GOOD, GOOD_ANSWER = b'{"instances": [1.0, 2.0, 5.0]}', {"predictions": [2.5, 3.0, 4.5]}
MODEL_SERVER = Path(sys.executable).with_name("sdnn-model-server")
WAIT_S = 60
_http = urllib3.PoolManager(retries=False)


def _post(address: str, body: bytes, path: str = "/invocations", **headers: str) -> urllib3.BaseHTTPResponse:
    return _http.request("POST", f"http://{address}{path}", body=body, headers={**JSON, **headers}, timeout=WAIT_S)


def _ping(address: str) -> int:
    return _http.request("GET", f"http://{address}/ping", timeout=WAIT_S).status


def _error(reply: urllib3.BaseHTTPResponse) -> str:
    return str(json.loads(reply.data)["error"])


def _until(condition: Callable[[], Any]) -> Any:
    end_s = time.monotonic() + WAIT_S
    while not (found := condition()):
        assert time.monotonic() < end_s, "it never came to that"
        time.sleep(0.01)
    return found


def _child(server: Any, word: str) -> psutil.Process | None:
    """The child whose command line has a word; the shim that starts it does not count."""
    for child in psutil.Process(server.process.pid).children():
        try:
            command = child.cmdline()
        except psutil.Error:
            continue
        if any(word in part for part in command) and "-I" not in command:
            return child
    return None


def _assert_no_zombie(server: Any) -> None:
    children = psutil.Process(server.process.pid).children(recursive=True)
    assert psutil.STATUS_ZOMBIE not in [child.status() for child in children]


@pytest.fixture
def folder(models: Path, tmp_path: Path) -> Path:
    """One model, beside which a test may put code."""
    shutil.copytree(models / "half_plus_two" / "1", tmp_path / "model" / "half" / "1")
    return tmp_path / "model"


@pytest.fixture
def start(folder: Path, start_server: Callable[..., Any]) -> Start:
    """Start the container."""
    variables = {"SDNN_MODEL_BASE_PATH": str(folder), "SDNN_ENGINE": "openvino"}
    return lambda **more: start_server("sdnn-sagemaker", "serve", **{**variables, **more})


@pytest.fixture
def script(folder: Path) -> Callable[[str], None]:
    """Write inference.py."""

    def write(text: str) -> None:
        (folder / "code").mkdir(exist_ok=True)
        (folder / "code" / "inference.py").write_text(textwrap.dedent(text), encoding="utf-8")

    return write


def test_model_server_killed_while_it_predicts(models: Path, tmp_path: Path, start: Start) -> None:
    shutil.copytree(models / "gate", tmp_path / "gate" / "gate")
    started, go_on = tmp_path / "started", tmp_path / "go_on"
    address, server = start(
        SAGEMAKER_TFS_BINARY=str(MODEL_SERVER), SDNN_MODEL_BASE_PATH=str(tmp_path / "gate"), SDNN_ENGINE="tensorflow"
    )
    body = json.dumps({"inputs": {"started": str(started), "go_on": str(go_on)}}).encode()

    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(_post, address, body)
        _until(started.exists)
        child = _child(server, "sdnn-model-server")
        assert child is not None
        child.kill()
        reply = call.result()

    assert reply.status == 503
    assert "is away" in _error(reply)
    _until(lambda: _ping(address) == 200)
    go_on.touch()
    assert json.loads(_post(address, body).data) == {"outputs": [True]}
    _assert_no_zombie(server)


def test_model_server_that_cannot_come_back(folder: Path, tmp_path: Path, start: Start) -> None:
    allowed = tmp_path / "allowed"
    allowed.touch()
    binary = tmp_path / "tensorflow_model_server"
    binary.write_text(f'#!/bin/sh\n[ -e {allowed} ] || exit 7\nexec {MODEL_SERVER} --engine=openvino "$@"\n')
    binary.chmod(0o755)
    address, server = start(SAGEMAKER_TFS_BINARY=str(binary))
    assert 'server;desc="tensorflow_model_server"' in _post(address, GOOD).headers["Server-Timing"]

    allowed.unlink()
    child = _child(server, "sdnn-model-server")
    assert child is not None
    child.kill()
    _until(lambda: _ping(address) == 503)
    # Several starts fail, with growing pauses.
    _until(lambda: server.log_path.read_text().count("starting it again") >= 4)
    reply = _post(address, GOOD)

    assert (reply.status, _ping(address)) == (503, 503)
    assert "tensorflow_model_server is away: it ended with status 7" in _error(reply)
    lines = [json.loads(line) for line in server.log_path.read_text().splitlines() if "starting it again" in line]
    pauses = [line["pause_s"] for line in lines]
    assert pauses == sorted(pauses)
    assert pauses[-1] > pauses[0]
    allowed.touch()
    _until(lambda: _ping(address) == 200)
    assert json.loads(_post(address, GOOD).data) == GOOD_ANSWER
    _assert_no_zombie(server)


def test_another_model_server_answers_for_one_that_died(start: Start) -> None:
    address, server = start(SAGEMAKER_TFS_INSTANCE_COUNT="2")
    child = _child(server, "sdnn-model-server")
    assert child is not None
    child.send_signal(signal.SIGSTOP)
    child.kill()

    replies = [_post(address, GOOD) for _ in range(8)]

    assert [json.loads(reply.data) for reply in replies] == [GOOD_ANSWER] * 8
    assert _ping(address) == 200


SCRIPT = """
    import os, sys, time
    import requests

    def handler(data, context):
        body = data.read()
        word = body.decode()
        if word == "raise":
            raise ValueError("the script's own words")
        if word == "exit":
            sys.exit("enough")
        if word == "die":
            os._exit(9)
        if word == "fork" and not os.fork():
            return b"the child's", "text/plain"
        if word == "print":
            print("printed by the script")
        if word == "hang":
            time.sleep(10_000)
        if word == "dict":
            return {"a": 1}
        if word in ("fork", "print"):
            return word, "text/plain"
        answer = requests.post(context.rest_uri, data=body)
        return answer.content, "application/json"
"""


@pytest.mark.parametrize(
    ("word", "status", "text"),
    [
        ("raise", 500, "the script's own words"),
        ("exit", 500, "inference.py called sys.exit('enough')"),
        ("die", 503, "the process of inference.py ended while it handled this request"),
        ("dict", 500, "inference.py must return (body, content_type), got dict"),
        ("hang", 504, "inference.py did not answer within 1 s"),
    ],
)
def test_scripts_that_fail(word: str, status: int, text: str, script: Callable[[str], None], start: Start) -> None:
    script(SCRIPT)
    address, server = start(SAGEMAKER_GUNICORN_TIMEOUT_SECONDS="1")

    reply = _post(address, word.encode())

    assert (reply.status, reply.headers["Content-Type"]) == (status, "application/json")
    assert text in _error(reply)
    _until(lambda: _ping(address) == 200)
    assert json.loads(_post(address, GOOD).data) == GOOD_ANSWER
    _assert_no_zombie(server)


def test_scripts_that_print_and_fork(script: Callable[[str], None], start: Start) -> None:
    script(SCRIPT)
    address, server = start()

    replies = [_post(address, word) for word in (b"print", b"fork", GOOD, b"fork", GOOD)]

    assert [reply.data for reply in replies[:2]] == [b"print", b"fork"]
    assert json.loads(replies[2].data) == json.loads(replies[4].data) == GOOD_ANSWER
    server.stop(10)
    assert server.log_path.read_text().count("printed by the script") == 1


def test_a_hung_request_takes_no_other_with_it(tmp_path: Path, script: Callable[[str], None], start: Start) -> None:
    hanging, gate = tmp_path / "hanging", tmp_path / "gate"
    # The other request begins when half of the first one's time is over.
    script(f"""
        import os, time

        def handler(data, context):
            if data.read() == b"hang":
                time.sleep(1.5)
                open({str(hanging)!r}, "w").close()
                time.sleep(10_000)
            while not os.path.exists({str(gate)!r}):
                time.sleep(0.01)
            return "through", "text/plain"
    """)
    address, _ = start(SAGEMAKER_GUNICORN_TIMEOUT_SECONDS="3", SAGEMAKER_GUNICORN_THREADS="2")

    with ThreadPoolExecutor(2) as threads:
        hung = threads.submit(_post, address, b"hang")
        _until(hanging.exists)
        other = threads.submit(_post, address, b"wait")
        assert hung.result().status == 504
        gate.touch()
        assert (other.result().status, other.result().data) == (200, b"through")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("def handle(data, context): pass", "inference.py must define handler(data, context)"),
        ("def handler(:", "SyntaxError"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
    ],
)
def test_scripts_that_cannot_be_loaded(text: str, reason: str, folder: Path, script: Callable[[str], None]) -> None:
    script(text)

    done = _serve(folder)

    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("sdnn-sagemaker: inference.py did not start: inference.py cannot be loaded: ")
    assert reason in last


def test_requirements_that_cannot_be_installed(folder: Path, script: Callable[[str], None]) -> None:
    script("def handler(data, context): return data.read(), 'text/plain'")
    (folder / "code" / "requirements.txt").write_text("./not-there-at-all\n")

    done = _serve(folder)

    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("sdnn-sagemaker: ")
    assert "requirements.txt cannot be installed: ERROR:" in last


def test_a_full_disk_at_the_start(folder: Path) -> None:
    # No file can grow beyond nothing: what a full disk is to a program.
    done = _serve(folder, "prlimit", "--fsize=0", SAGEMAKER_TFS_ENABLE_BATCHING="true")

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("sdnn-sagemaker: cannot start: [Errno ")


def test_a_read_only_folder_of_models(folder: Path, start: Start) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222)
    address, _ = start()

    assert json.loads(_post(address, GOOD).data) == GOOD_ANSWER


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"SAGEMAKER_TFS_ENABLE_BATCHING": "yes"}, "expected one of true, false, got 'yes'"),
        ({"SAGEMAKER_SAFE_PORT_RANGE": "9000"}, "expected LOW-HIGH, two port numbers, got '9000'"),
        ({"SAGEMAKER_SAFE_PORT_RANGE": "9000-9001", "SAGEMAKER_TFS_INSTANCE_COUNT": "2"}, "need 4 ports"),
        ({"SAGEMAKER_TFS_BINARY": "/nowhere"}, "SAGEMAKER_TFS_BINARY is /nowhere, which is not a program"),
        ({"SAGEMAKER_TFS_DEFAULT_MODEL_NAME": "other"}, "is other, and the models are half"),
        ({"SAGEMAKER_TFS_BINARY": "/bin/false"}, "false did not start: it ended with status 1"),
    ],
)
def test_variables_that_are_wrong(variables: dict[str, str], reason: str, folder: Path) -> None:
    done = _serve(folder, **variables)

    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert reason in done.stderr.strip().splitlines()[-1]


def test_sigterm_answers_what_runs(tmp_path: Path, script: Callable[[str], None], start: Start) -> None:
    started, gate = tmp_path / "started", tmp_path / "gate"
    script(f"""
        import os, time

        def handler(data, context):
            open({str(started)!r}, "w").close()
            while not os.path.exists({str(gate)!r}):
                time.sleep(0.01)
            return "in time", "text/plain"
    """)
    address, server = start()

    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(_post, address, b"")
        _until(started.exists)
        server.process.terminate()
        _until(lambda: _ping(address) == 503)
        late = _post(address, b"")
        gate.touch()
        assert (running.result().status, running.result().data) == (200, b"in time")

    assert late.status == 503
    assert "shutting down" in _error(late)
    assert server.process.wait(WAIT_S) == 0


def test_killed_outright_it_leaves_no_child(script: Callable[[str], None], start: Start) -> None:
    script(SCRIPT)
    _, server = start(SAGEMAKER_TFS_INSTANCE_COUNT="2")
    children = psutil.Process(server.process.pid).children(recursive=True)
    assert len(children) >= 3

    os.kill(server.process.pid, signal.SIGKILL)

    _, alive = psutil.wait_procs(children, WAIT_S)
    assert not alive


def _serve(folder: Path, *prefix: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [*prefix, str(Path(sys.executable).with_name("sdnn-sagemaker")), "serve", "--host", "127.0.0.1"]
    environment = {**os.environ, "SDNN_ENGINE": "openvino", **variables}
    return subprocess.run(
        [*command, "--port", "0", "--model-base-path", str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
