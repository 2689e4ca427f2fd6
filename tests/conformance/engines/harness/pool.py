"""Processes that build and judge models, and what happens when one of them dies."""

import multiprocessing
import queue
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness.comparison import Difference
from harness.worker import Verdict, build, work

# As many as the smallest machine that runs the tests has cores.
PROCESSES = 2
# For one model; the slowest takes a few seconds on a busy machine.
TIMEOUT_S = 100
_SPAWN = multiprocessing.get_context("spawn")


def build_models(root: Path, names: Sequence[str]) -> dict[str, str]:
    """Write models below a folder.

    Args:
        root: Each model's folder goes here.
        names: The models.

    Returns:
        The tracebacks of those that could not be built, by name.

    Raises:
        RuntimeError: A process died.
    """
    running = []
    for share in (names[start::PROCESSES] for start in range(PROCESSES)):
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(target=build, args=(root, share, theirs), daemon=True)
        process.start()
        theirs.close()
        running.append((process, ours))
    failed: dict[str, str] = {}
    for process, connection in running:
        try:
            failed |= connection.recv()
        except EOFError:
            process.join()
            raise RuntimeError(f"building died with {process.exitcode}: {_tail(root / 'build.log')}") from None
        process.join()
    return failed


class Judges:
    """Judges models in processes; one that dies costs no more than the verdict on its model."""

    def __init__(self, root: Path, log: Path) -> None:
        self._root, self._log = root, log
        self._idle: queue.SimpleQueue[tuple[Any, Any]] = queue.SimpleQueue()
        self._threads = ThreadPoolExecutor(PROCESSES)
        self._lock, self._running, self._left = threading.Lock(), set[Any](), 0

    def submit(self, names: Sequence[str], engine: str) -> Mapping[str, "Future[Verdict]"]:
        """Have models judged.

        Args:
            names: The models.
            engine: What runs them.

        Returns:
            The verdicts to come, by name.
        """
        with self._lock:
            self._left += len(names)
        return {name: self._threads.submit(self._judge_and_count, name, engine) for name in names}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._end()

    def _end(self) -> None:
        with self._lock:
            for process in self._running:
                process.kill()

    def _judge_and_count(self, name: str, engine: str) -> Verdict:
        try:
            return self._judge(name, engine)
        finally:
            with self._lock:
                self._left -= 1
                done = not self._left
            if done:
                # They hold all that they loaded, and other tests may follow.
                self._end()

    def _judge(self, name: str, engine: str) -> Verdict:
        try:
            process, connection = self._idle.get_nowait()
        except queue.Empty:
            process, connection = self._start()
        try:
            connection.send((name, engine))
            if not connection.poll(TIMEOUT_S):
                process.kill()
                return Verdict(differences=[Difference("HANG", f"no answer after {TIMEOUT_S} s")])
            verdict: Verdict = connection.recv()
        except (EOFError, OSError):
            process.join()
            text = f"the process died with {process.exitcode}: {_tail(self._log)}"
            return Verdict(differences=[Difference("CRASH", text)])
        self._idle.put((process, connection))
        return verdict

    def _start(self) -> tuple[Any, Any]:
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(target=work, args=(self._root, theirs, self._log), daemon=True)
        with self._lock:
            process.start()
            self._running.add(process)
        theirs.close()
        return process, ours


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]
