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

# Cloud Run and SageMaker kill processes still running after a grace period; this is the shorter of the two.
STOP_GRACE_S = 10.0
_POLL_S = 0.005
_QUOTED_LINES = 5
_PR_SET_PDEATHSIG = 1
# gRPC's fork handlers abort a fork while its threads poll, but here every fork is followed immediately by an exec. gRPC
# reads the variable when it is first initialised.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
# Looked up before any fork: nothing may be loaded between fork and exec.
_prctl = ctypes.CDLL(None).prctl


@dataclass
class ServerProcess:
    """A started server.

    Attributes:
        process: The process, leader of its own group.
        log_path: Where its output goes.
        ready_file: Where it writes its port.
        started_ns: When it was started, ``perf_counter_ns``.
    """

    process: subprocess.Popen[bytes]
    log_path: Path
    ready_file: Path
    started_ns: int = field(default_factory=time.perf_counter_ns)

    def ready_port(self) -> int | None:
        """The port once the server is ready; ``None`` until then.

        Raises:
            StartError: The process exited instead.
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
        """Wait until the server is ready.

        Args:
            timeout_s: How long to wait.

        Returns:
            Its port.

        Raises:
            StartError: It exited, or was not ready in time.
        """
        while (port := self.ready_port()) is None:
            if time.perf_counter_ns() - self.started_ns > timeout_s * 1e9:
                raise StartError(f"{self.process.args!r} was not ready within {timeout_s} s (log: {self.log_path})")
            time.sleep(_POLL_S)
        return port

    def stop(self, grace_s: float = STOP_GRACE_S) -> None:
        """Stop the process and everything it started: SIGTERM, then SIGKILL after the grace period.

        Args:
            grace_s: The grace period.
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
        command: Its command and arguments; the command is looked up next to this Python first.
        environment: Variables added to this process's environment.
        log_path: Where its output goes.

    Returns:
        The process; it dies with this one, however this one exits.

    Raises:
        StartError: There is no such command.
    """
    found = shutil.which(command[0], path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        raise StartError(f"there is no command {command[0]}: install the server's package")
    log_path.parent.mkdir(parents=True, exist_ok=True)
    ready_file = Path(tempfile.mkdtemp(prefix="sdnn-")) / "ready.json"
    variables = {**os.environ, **environment, "SDNN_READY_FILE": str(ready_file)}
    # Images contain precompiled bytecode; without it, every start would compile, distorting cold-start timings.
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [found, *command[1:]],
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=0,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call that cannot deadlock
        )
    return ServerProcess(process, log_path, ready_file)


def _die_with_parent() -> None:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
