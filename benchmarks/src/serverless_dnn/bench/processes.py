"""Server processes: started by their commands, never imported, and never left behind."""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serverless_dnn.bench.errors import StartError

# Cloud Run and SageMaker kill what has not ended by then; the shorter of the two.
STOP_GRACE_S = 10.0
_POLL_S = 0.005
_QUOTED_LINES = 5
_PR_SET_PDEATHSIG = 1
# Looked up before any fork: between fork and exec nothing may be loaded.
# gRPC's fork handlers abort a fork while its threads poll, and here every fork is followed by an exec at once. It reads
# the variable when it first starts.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
_prctl = ctypes.CDLL(None).prctl


@dataclass
class ServerProcess:
    """A server that was started.

    Attributes:
        process: The operating system's process, leader of its own group.
        log_path: Where its output goes.
        ready_file: Where it tells its port.
        started_ns: When it was started, ``perf_counter_ns``.
    """

    process: subprocess.Popen[bytes]
    log_path: Path
    ready_file: Path
    started_ns: int = field(default_factory=time.perf_counter_ns)

    def ready_port(self) -> int | None:
        """The port, once the server answers; ``None`` before.

        Raises:
            StartError: The process has ended instead.
        """
        if self.ready_file.exists():
            facts: dict[str, Any] = json.loads(self.ready_file.read_text(encoding="utf-8"))
            return int(facts["port"])
        if self.process.poll() is not None:
            lines = self.log_path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            last = " | ".join(lines[-_QUOTED_LINES:]) or "it printed nothing"
            raise StartError(
                f"{self.process.args!r} ended with {self.process.returncode}: {last} (log: {self.log_path})"
            )
        return None

    def wait_ready(self, timeout_s: float) -> int:
        """Wait until the server answers.

        Args:
            timeout_s: How long.

        Returns:
            Its port.

        Raises:
            StartError: It ended, or was not ready in time.
        """
        while (port := self.ready_port()) is None:
            if time.perf_counter_ns() - self.started_ns > timeout_s * 1e9:
                raise StartError(f"{self.process.args!r} was not ready within {timeout_s} s (log: {self.log_path})")
            time.sleep(_POLL_S)
        return port

    def stop(self, grace_s: float = STOP_GRACE_S) -> None:
        """End the process and all it started: SIGTERM, and SIGKILL after the grace.

        Args:
            grace_s: How long it may take.
        """
        self._signal(signal.SIGTERM)
        try:
            self.process.wait(grace_s)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self._signal(signal.SIGKILL)
            self.process.wait()
            shutil.rmtree(self.ready_file.parent, ignore_errors=True)

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return


def start_server(command: list[str], environment: Mapping[str, str], log_path: Path) -> ServerProcess:
    """Start a server.

    Args:
        command: Its command and arguments; the command is looked up beside this Python first.
        environment: Variables added to this process's.
        log_path: Where its output goes.

    Returns:
        The process; it dies with this one, however this one ends.

    Raises:
        StartError: There is no such command.
    """
    found = shutil.which(command[0], path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        raise StartError(f"there is no command {command[0]}: install the server's package")
    log_path.parent.mkdir(parents=True, exist_ok=True)
    ready_file = Path(tempfile.mkdtemp(prefix="sdnn-")) / "ready.json"
    variables = {**os.environ, **environment, "SDNN_READY_FILE": str(ready_file)}
    # An image holds compiled bytecode; without it every start would compile and a cold start would measure that.
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [found, *command[1:]],
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=0,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call, nothing that could lock
        )
    return ServerProcess(process, log_path, ready_file)


def _die_with_parent() -> None:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
