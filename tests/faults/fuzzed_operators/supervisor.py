"""Processes that fuzz, and what is said of one that ends or hangs."""

import multiprocessing
import os
import queue
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from fuzzed_operators.worker import THREADS, Batch, Outcome, work

# As many as the smallest machine that runs the tests has cores.
PROCESSES = 2
# For one model's calls, of which a hundred take a few seconds on a busy machine, and for each call beyond.
_TIMEOUT_S, _TIMEOUT_OF_A_CALL_S = 60, 0.5
# Ends a process that frees memory which was written past its end. A part of Debian's glibc; elsewhere nothing is checked.
_CHECKING_HEAP = "libc_malloc_debug.so.0"
_SPAWN = multiprocessing.get_context("spawn")


class _Worker:
    """A process."""

    def __init__(self, root: Path, log: Path) -> None:
        self.log = log
        self.in_flight = _SPAWN.RawArray("i", [-1] * THREADS)
        self.connection, theirs = _SPAWN.Pipe()
        self.process = _SPAWN.Process(target=work, args=(root, log, theirs, self.in_flight), daemon=True)
        with pytest.MonkeyPatch.context() as environment:
            if Path(f"/usr/lib/{os.uname().machine}-linux-gnu/{_CHECKING_HEAP}").exists():
                environment.setenv("LD_PRELOAD", _CHECKING_HEAP)
                environment.setenv("GLIBC_TUNABLES", "glibc.malloc.check=3")
            self.process.start()
        theirs.close()

    def fuzz(self, batch: Batch) -> Outcome:
        """Have a batch called; a process that ends or hangs is a fault."""
        begin = self.log.stat().st_size if self.log.exists() else 0
        try:
            self.connection.send(batch)
            timeout_s = _TIMEOUT_S + _TIMEOUT_OF_A_CALL_S * len(batch.numbers)
            if self.connection.poll(timeout_s):
                outcome: Outcome = self.connection.recv()
                return outcome
            end = f"no answer after {timeout_s:.0f} s"
        except (EOFError, OSError):
            self.process.join()
            end = f"the process ended with {self.process.exitcode}"
        self.process.kill()
        self.process.join()
        calls = sorted(number for number in self.in_flight if number >= 0)
        log = self.log.read_bytes()[begin:].decode(errors="replace")[:500]
        return Outcome(
            faults=[f"{end} in model {batch.model_name}, seed {batch.seed}, in one of the calls {calls}: {log}"]
        )


class Supervisor:
    """Has models fuzzed in processes; one that ends costs no more than the outcome of its model."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._threads = ThreadPoolExecutor(PROCESSES)
        self._lock, self._workers, self._closed = threading.Lock(), list[_Worker](), False

    def submit(self, names: Sequence[str], seed: int, numbers: range) -> Mapping[str, "Future[Outcome]"]:
        """Have models called.

        Args:
            names: The models.
            seed: The seed of the whole run.
            numbers: The calls of each.

        Returns:
            The outcomes to come, by model.
        """
        return {name: self._threads.submit(self._fuzz, Batch(name, seed, numbers)) for name in names}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._closed = True
            for worker in self._workers:
                worker.process.kill()

    def _fuzz(self, batch: Batch) -> Outcome:
        try:
            worker = self._idle.get_nowait()
        except queue.Empty:
            with self._lock:
                if self._closed:
                    return Outcome(faults=["not begun: the run is over"])
                worker = _Worker(self._root, self._root / f"worker-{len(self._workers)}.log")
                self._workers.append(worker)
        outcome = worker.fuzz(batch)
        if worker.process.is_alive():
            self._idle.put(worker)
        return outcome
