"""A child process that is started again whenever it ends, with growing pauses, and never outlives its parent."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from serverless_dnn.runtime.errors import UnavailableError

_log = logging.getLogger(__name__)
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 10.0
# A child that ran for this long ended for a reason of its own: the next start does not wait for the last one's sake.
_STEADY_S = 60.0
_LOOK_S = 0.02
# Asks the kernel to kill the child together with the thread that started it, then becomes the command. Set here rather
# than between fork and exec, where a process with threads may do next to nothing.
_DIE_WITH_PARENT = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); "
    "os.getppid() == int(sys.argv[1]) and os.execvp(sys.argv[2], sys.argv[2:])"
)


@dataclass(frozen=True)
class Child:
    """What is to be kept running.

    Attributes:
        name: What messages call it.
        command: The command and its arguments.
        environment: All its environment variables.
        start_timeout_s: How long a start may take, in seconds.
        is_ready: Whether the running child can work; asked until it is true.
        before_start: Called before every start, to clean up after the last child.
        reason: What the child left as the reason of its end; empty if nothing.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    start_timeout_s: float
    is_ready: Callable[[], bool]
    before_start: Callable[[], object] = lambda: None
    reason: Callable[[], str] = lambda: ""


class SupervisedProcess:
    """A child process under supervision.

    Args:
        child: What to keep running.
    """

    def __init__(self, child: Child) -> None:
        self._child = child
        self._command = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), *child.command]
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = threading.Event()
        self._failed_first = threading.Event()
        self._stopping = threading.Event()
        self._why_away = "it is starting"
        self._was_ready = False
        self._thread = threading.Thread(target=self._supervise, name=f"supervise {child.name}", daemon=True)

    @property
    def ready(self) -> bool:
        """Whether the child is up and can work."""
        return self._ready.is_set()

    @property
    def pid(self) -> int:
        """The current child; 0 if none was started."""
        return self._process.pid if self._process is not None else 0

    @property
    def why_away(self) -> str:
        """Why the child is not ready."""
        return f"{self._child.name} is away: {self._why_away}"

    def start(self) -> None:
        """Start the child, without waiting for it."""
        self._thread.start()

    def wait_ready(self) -> None:
        """Wait for the first start.

        Raises:
            UnavailableError: The child ended, or was not ready in time; it is stopped.
        """
        while not self._ready.wait(_LOOK_S):
            if self._failed_first.is_set():
                self.stop(0)
                raise UnavailableError(f"{self._child.name} did not start: {self._why_away}")

    def kill(self, why: str) -> None:
        """Kill the child and all it has started; another is started at once.

        Args:
            why: The reason, for the log.
        """
        _log.warning("killing a child process", extra={"child": self._child.name, "why": why})
        self._ready.clear()
        self._signal(signal.SIGKILL)

    def stop(self, grace_s: float) -> None:
        """Stop the child for good: SIGTERM, then SIGKILL.

        Args:
            grace_s: The time between the two, in seconds.
        """
        self._stopping.set()
        self._ready.clear()
        process = self._process
        if process is None:
            return
        self._signal(signal.SIGTERM if grace_s else signal.SIGKILL)
        end_s = time.monotonic() + grace_s
        while process.poll() is None and time.monotonic() < end_s:
            time.sleep(_LOOK_S)
        self._signal(signal.SIGKILL)
        self._thread.join(1)

    def _supervise(self) -> None:
        pause_s, attempts = _FIRST_PAUSE_S, 0
        while not self._stopping.is_set():
            began_s = time.monotonic()
            attempts += 1
            self._run_once()
            self._ready.clear()
            if attempts == 1 and not self._was_ready:
                self._failed_first.set()
                return
            if self._stopping.is_set():
                return
            if time.monotonic() - began_s > _STEADY_S:
                pause_s = _FIRST_PAUSE_S
            extra = {"child": self._child.name, "why": self._why_away, "pause_s": pause_s, "starts": attempts}
            _log.error("a child process ended: starting it again", extra=extra)
            self._stopping.wait(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)

    def _run_once(self) -> None:
        """Start the child and wait for its end."""
        self._was_ready = False
        try:
            self._child.before_start()
            # The leader of a group of its own, so that whatever it starts can be killed with it.
            process = subprocess.Popen(
                self._command, env=dict(self._child.environment), stdin=subprocess.DEVNULL, process_group=0
            )
        except OSError as error:
            self._why_away = f"cannot start it: {error.strerror}"
            return
        self._process = process
        end_s = time.monotonic() + self._child.start_timeout_s
        while process.poll() is None and not self._was_ready:
            if self._stopping.is_set():
                self._signal(signal.SIGKILL)
            elif self._child.is_ready():
                self._was_ready = True
                self._ready.set()
                _log.info("a child process is ready", extra={"child": self._child.name, "pid": process.pid})
            elif time.monotonic() > end_s:
                self._why_away = f"it was not ready within {self._child.start_timeout_s:.0f} s"
                self._signal(signal.SIGKILL)
                process.wait()
                return
            else:
                time.sleep(_LOOK_S)
        status = process.wait()
        # Whatever the child has started goes with it.
        self._signal(signal.SIGKILL)
        self._why_away = self._child.reason() or _ending(status)

    def _signal(self, number: int) -> None:
        if self._process is not None:
            try:
                os.killpg(self._process.pid, number)
            except ProcessLookupError:
                return


def _ending(status: int) -> str:
    if status < 0:
        return f"it was killed by {signal.Signals(-status).name}"
    return f"it ended with status {status}; its own lines above say more"
