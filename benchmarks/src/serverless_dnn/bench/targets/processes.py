"""Server processes: started by their commands, never imported, held to their limits, and never left behind."""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serverless_dnn.bench.errors import StartError
from serverless_dnn.bench.targets.deferred_signals import deferred_signals
from serverless_dnn.bench.targets.limits import NO_LIMITS, Confinement, Limits
from serverless_dnn.bench.targets.server_facts import RECORDS_SUFFIX
from serverless_dnn.bench.targets.usage import Usage, UsageMeter

# Cloud Run and SageMaker kill processes still running after a grace period; this is the shorter of the two.
STOP_GRACE_S = 10.0
_POLL_S = 0.005
_QUOTED_LINES = 5
_PR_SET_PDEATHSIG = 1
_PACKAGES = {
    "sdnn-cloudrun": "serverless-dnn-cloudrun",
    "sdnn-lambda": "serverless-dnn-lambda",
    "sdnn-model-server": "serverless-dnn-runtime",
    "sdnn-models": "serverless-dnn-models",
    "sdnn-sagemaker": "serverless-dnn-sagemaker",
}
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
        limits: What it gets.
        started_ns: When it was started, ``perf_counter_ns``.
    """

    process: subprocess.Popen[bytes]
    log_path: Path
    ready_file: Path
    limits: Limits
    started_ns: int
    _confinement: Confinement
    _meter: UsageMeter = field(init=False)
    _is_stopped: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        """Measure what it uses."""
        self._meter = UsageMeter(self.process.pid, self._confinement.group)

    def ready_port(self) -> int | None:
        """The port once the server is ready; ``None`` until then.

        Raises:
            StartError: The process exited instead.
        """
        if self.ready_file.exists():
            facts: dict[str, Any] = json.loads(self.ready_file.read_text(encoding="utf-8"))
            return int(facts["port"])
        if self.process.poll() is not None:
            raise StartError(f"{self.process.args!r} {self._why_ended()}", self.log_path)
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
                raise StartError(f"{self.process.args!r} was not ready within {timeout_s} s", self.log_path)
            time.sleep(_POLL_S)
        return port

    def usage(self) -> Usage:
        """What it has used so far; after its end what it had used by then."""
        return self._meter.read()

    def stop(self, grace_s: float = STOP_GRACE_S) -> None:
        """Stop the process and everything it started: SIGTERM, then SIGKILL after the grace period.

        Args:
            grace_s: The grace period.
        """
        if self._is_stopped:
            return
        self._meter.read()
        self._signal(signal.SIGTERM)
        try:
            self.process.wait(grace_s)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self._is_stopped = True
            self._signal(signal.SIGKILL)
            self.process.wait()
            self._meter.close()
            self._confinement.end()
            self.ready_file.unlink(missing_ok=True)

    def _why_ended(self) -> str:
        if self.usage().is_out_of_memory:
            return f"was killed: it used up its memory of {self.limits.memory_mb} MB"
        return f"ended with {self.process.returncode}: {' | '.join(last_lines(self.log_path)) or 'it printed nothing'}"

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return


def start_server(
    command: list[str], environment: Mapping[str, str], log_path: Path, limits: Limits = NO_LIMITS
) -> ServerProcess:
    """Start a server.

    Args:
        command: Its command and arguments; see ``find_command``.
        environment: Variables added to this process's environment.
        log_path: Where its output goes; beside it are its records and, while it runs, the file with its port.
        limits: What it gets, everything that it starts included.

    Returns:
        The process; it dies with the calling thread, however that ends.

    Raises:
        StartError: There is no such command, it cannot be started, or the kernel refuses the limits.
    """
    found = find_command(command[0])
    log_path.parent.mkdir(parents=True, exist_ok=True)
    ready_file = log_path.with_suffix(".ready.json").absolute()
    ready_file.unlink(missing_ok=True)
    variables = {
        **os.environ,
        **environment,
        "SDNN_READY_FILE": str(ready_file),
        "SDNN_RECORDS_FILE": str(log_path.with_suffix(RECORDS_SUFFIX).absolute()),
    }
    # Images contain precompiled bytecode; without it, every start would compile, distorting cold-start timings.
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    parent, confinement = os.getpid(), Confinement(limits)

    def enter() -> None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        confinement.enter()

    process = None
    try:
        with log_path.open("ab") as log, deferred_signals():
            started_ns = time.perf_counter_ns()
            process = subprocess.Popen(
                [found, *command[1:]],
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
                preexec_fn=enter,  # noqa: PLW1509 - a few system calls that cannot deadlock
            )
    except (OSError, subprocess.SubprocessError) as error:
        confinement.end()
        raise StartError(f"cannot start {found}: {error}") from None
    except BaseException:
        if process is not None:
            process.kill()
            process.wait()
        confinement.end()
        raise
    confinement.entered()
    return ServerProcess(process, log_path, ready_file, limits, started_ns, confinement)


def last_lines(log_path: Path) -> list[str]:
    """The end of a log, to be quoted.

    Args:
        log_path: The log.

    Raises:
        OSError: It cannot be read.
    """
    return log_path.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-_QUOTED_LINES:]


def find_command(name: str) -> str:
    """Find a command: next to this Python first, so that no PATH is needed, then on the PATH.

    Args:
        name: Its name, or a path.

    Returns:
        Its path.

    Raises:
        StartError: There is no such command; the message says which package has it.
    """
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        what = f"pip install {_PACKAGES[name]}" if name in _PACKAGES else "install it, or give its path"
        raise StartError(f"there is no command {name}: {what}")
    return found
