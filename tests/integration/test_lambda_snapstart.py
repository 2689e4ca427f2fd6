"""SnapStart under AWS's runtime client: ready before the snapshot, another instance after the restore."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

_RUNTIME = "/2018-06-01/runtime"
_WARM_UP_EVENT = b'{"warmer": true}'


class RuntimeApi:
    """Lambda's Runtime API for one environment, which counts what it is asked.

    Attributes:
        calls: The paths, in order.
        restore: Set when the snapshot is restored.
        events: Events to hand out.
        results: What was answered.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.restore = threading.Event()
        self.snapshot_taken = threading.Event()
        self.events: SimpleQueue[bytes] = SimpleQueue()
        self.results: SimpleQueue[Any] = SimpleQueue()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                api.calls.append(self.path)
                if self.path == f"{_RUNTIME}/restore/next":
                    api.snapshot_taken.set()
                    api.restore.wait(60)
                    self._answer(200, b"")
                elif self.path == f"{_RUNTIME}/invocation/next":
                    self._answer(200, api.events.get())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                api.calls.append(self.path)
                api.results.put(json.loads(body))
                self._answer(202, b"{}")

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Lambda-Runtime-Aws-Request-Id", "request-1")
                self.send_header("Lambda-Runtime-Deadline-Ms", str(round((time.time() + 60) * 1e3)))
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def runtime_api() -> Iterator[RuntimeApi]:
    api = RuntimeApi()
    yield api
    api.stop()


def test_a_snapshot_is_of_a_loaded_model_and_each_restore_is_another_instance(
    models: Path, start_server: Callable[..., Any], runtime_api: RuntimeApi
) -> None:
    _, process = start_server(
        "sdnn-lambda",
        AWS_LAMBDA_RUNTIME_API=runtime_api.address,
        AWS_LAMBDA_INITIALIZATION_TYPE="snap-start",
        AWS_LAMBDA_FUNCTION_NAME="f",
        AWS_LAMBDA_LOG_STREAM_NAME="2026/01/01/[$LATEST]0123456789abcdef",
        SDNN_MODEL_BASE_PATH=str(models / "half_plus_two"),
        SDNN_ENGINE="openvino",
    )
    assert runtime_api.snapshot_taken.wait(60)

    # Before the snapshot: the model is loaded, and no event has been asked for.
    assert "model loaded" in process.log_path.read_text()
    assert runtime_api.calls == [f"{_RUNTIME}/restore/next"]

    runtime_api.restore.set()
    runtime_api.events.put(b'{"instances": [1.0, 2.0]}')
    assert runtime_api.results.get(timeout=60) == {"predictions": [2.5, 3.0]}
    runtime_api.events.put(_WARM_UP_EVENT)
    instance = runtime_api.results.get(timeout=60)
    # The log stream's name, which identified the instance before, is the snapshot's and so every restore's.
    assert "456789abcdef" not in json.dumps(instance)


def test_a_model_that_cannot_be_loaded_leaves_no_snapshot(
    tmp_path: Path, start_server: Callable[..., Any], runtime_api: RuntimeApi
) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"no model")

    with pytest.raises(Exception, match="sdnn-lambda"):
        start_server(
            "sdnn-lambda",
            AWS_LAMBDA_RUNTIME_API=runtime_api.address,
            AWS_LAMBDA_INITIALIZATION_TYPE="snap-start",
            SDNN_MODEL_BASE_PATH=str(tmp_path),
        )

    assert runtime_api.calls == [f"{_RUNTIME}/init/error"]
    assert runtime_api.results.get(timeout=10)["errorType"] == "ServerlessDnn.InitError"
