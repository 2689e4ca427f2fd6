"""The front's side of a user's ``inference.py``: processes that run it, requests to them, and what they need."""

import http.client
import json
import os
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from serverless_dnn.runtime.deadline import Deadline
from serverless_dnn.runtime.errors import DeadlineExceededError, FailedPreconditionError, UnavailableError
from serverless_dnn.runtime.http.messages import HttpReply
from serverless_dnn.runtime.model_servers.supervised_process import Child, SupervisedProcess
from serverless_dnn.sagemaker_tfserving.options import SageMakerOptions
from serverless_dnn.sagemaker_tfserving.script.requirements import code_paths

SCRIPT_FILE = "inference.py"
_WORKER = "serverless_dnn.sagemaker_tfserving.script.script_worker"
_PROBE_TIMEOUT_S = 1.0


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket.

    Args:
        path: The socket.
    """

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        """Connect; see ``http.client``."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


@dataclass
class _Worker:
    """A process that runs the script.

    Attributes:
        process: The process.
        socket_path: Where it listens.
        running: Requests it is handling that somebody waits for.
        is_hung: Whether one of its threads has not come back: it gets no more requests, and is killed when the last
            one that somebody waits for has ended.
    """

    process: SupervisedProcess
    socket_path: Path
    running: int = 0
    is_hung: bool = False


@dataclass
class _Slot:
    """A thread of a worker, with the front's connection to it.

    Attributes:
        worker: The worker.
        connection: The connection.
        pid: The process it leads to.
    """

    worker: _Worker
    connection: _UnixConnection = field(init=False)
    pid: int = 0

    def __post_init__(self) -> None:
        """Make the connection, which opens with the first request."""
        self.connection = _UnixConnection(self.worker.socket_path)

    def connect(self) -> _UnixConnection:
        """The connection, opened anew if the process is another one by now."""
        if self.pid != self.worker.process.pid:
            self.connection.close()
            self.pid = self.worker.process.pid
        return self.connection


class InferenceScript:
    """A user's script, run in processes of its own.

    Args:
        script: The path of ``inference.py``.
        options: How many processes and threads there are, and how long a request may take.

    Raises:
        FailedPreconditionError: What scripts need is not installed.
    """

    def __init__(self, script: Path, options: SageMakerOptions) -> None:
        if missing := [name for name in ("requests", "grpc") if find_spec(name) is None]:
            raise FailedPreconditionError(
                f"{script} needs {' and '.join(missing)}: pip install 'serverless-dnn-sagemaker[inference-script]'"
            )
        self._script = script
        self._options = options
        self._folder = Path(tempfile.mkdtemp(prefix="sdnn-script-"))
        self._changed = threading.Condition()
        self._workers: list[_Worker] = []
        self._free: list[_Slot] = []

    def start(self) -> None:
        """Install what the script requires, and start the processes without waiting for them.

        Raises:
            ServingError: Its requirements cannot be installed.
        """
        paths = code_paths(self._script.parent, self._folder / "packages", self._options.wait_time_s)
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([*map(str, paths), os.environ.get("PYTHONPATH", "")]),
        }
        for number in range(self._options.script_workers):
            worker = self._make(number, environment)
            self._workers.append(worker)
            self._free.extend(_Slot(worker) for _ in range(self._options.script_threads))
            worker.process.start()

    def wait_ready(self) -> None:
        """Wait until the script is loaded.

        Raises:
            UnavailableError: It cannot be.
        """
        for worker in self._workers:
            worker.process.wait_ready()

    def why_away(self) -> str:
        """Why no request can be handled now; empty if at least one process is up."""
        if any(worker.process.ready for worker in self._workers):
            return ""
        return self._workers[0].process.why_away

    def call(self, body: bytes, context: Mapping[str, Any], deadline: Deadline) -> HttpReply:
        """Have the script handle a request.

        Args:
            body: The request's body.
            context: The fields of the script's ``Context`` but the channel.
            deadline: How long the caller waits.

        Returns:
            The script's answer; its exceptions are replies of status 500.

        Raises:
            UnavailableError: The process died, or there is none.
            DeadlineExceededError: All threads were busy, or the script took too long; its process is killed.
        """
        slot = self._take(deadline)
        worker = slot.worker
        left_s = deadline.left_s()
        timeout_s = self._options.script_timeout_s if left_s is None else min(left_s, self._options.script_timeout_s)
        try:
            return _exchange(slot.connect(), body, context, timeout_s)
        except TimeoutError:
            worker.is_hung = True
            slot.connection.close()
            raise DeadlineExceededError(f"{SCRIPT_FILE} did not answer within {timeout_s:.0f} s") from None
        except (OSError, http.client.HTTPException):
            slot.connection.close()
            raise UnavailableError(
                f"the process of {SCRIPT_FILE} ended while it handled this request; another is started"
            ) from None
        finally:
            self._give_back(slot)

    def stop(self, grace_s: float) -> None:
        """Stop the processes.

        Args:
            grace_s: How long they may take, in seconds.
        """
        for worker in self._workers:
            worker.process.stop(grace_s)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _make(self, number: int, environment: Mapping[str, str]) -> _Worker:
        socket_path = self._folder / f"{number}.sock"
        reason_file = Path(f"{socket_path}.reason")

        def before_start() -> None:
            for path in (socket_path, reason_file):
                path.unlink(missing_ok=True)

        child = Child(
            SCRIPT_FILE,
            [sys.executable, "-m", _WORKER, str(self._script), str(socket_path), str(self._options.script_threads)],
            environment,
            self._options.wait_time_s,
            is_ready=lambda: _answers(socket_path),
            before_start=before_start,
            reason=lambda: reason_file.read_text(encoding="utf-8") if reason_file.exists() else "",
        )
        return _Worker(SupervisedProcess(child), socket_path)

    def _take(self, deadline: Deadline) -> _Slot:
        with self._changed:
            while True:
                for slot in self._free:
                    if slot.worker.process.ready and not slot.worker.is_hung:
                        self._free.remove(slot)
                        slot.worker.running += 1
                        return slot
                if why := self.why_away():
                    raise UnavailableError(why)
                # Woken by calls that end; a process that comes back is noticed a little later.
                self._changed.wait(min(0.1, deadline.left_s() or 0.1))
                deadline.check(f"a thread of {SCRIPT_FILE} was free")

    def _give_back(self, slot: _Slot) -> None:
        with self._changed:
            slot.worker.running -= 1
            if slot.worker.is_hung and not slot.worker.running:
                slot.worker.process.kill(f"a request was not answered within {self._options.script_timeout_s:.0f} s")
                slot.worker.is_hung = False
            self._free.append(slot)
            self._changed.notify()


def _answers(socket_path: Path) -> bool:
    connection = _UnixConnection(socket_path)
    connection.timeout = _PROBE_TIMEOUT_S
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _exchange(connection: _UnixConnection, body: bytes, context: Mapping[str, Any], timeout_s: float) -> HttpReply:
    connection.timeout = timeout_s
    if connection.sock is not None:
        connection.sock.settimeout(timeout_s)
    connection.request("POST", "/", body, {"X-Sdnn-Context": json.dumps(context)})
    response = connection.getresponse()
    return HttpReply(response.status, response.headers.get("Content-Type", ""), response.read())
