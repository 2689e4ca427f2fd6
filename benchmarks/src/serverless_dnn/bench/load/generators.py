"""One or several generators behind one interface: in this process, or in processes of their own."""

import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

import orjson

from serverless_dnn.bench.errors import LoadError
from serverless_dnn.bench.load.generator import Call, Generator, StepResult
from serverless_dnn.bench.load.steps import Step
from serverless_dnn.bench.load.worker import read_result

# Long enough for the instant of the beginning to reach every process.
_LEAD_NS = 20_000_000
_STOP_GRACE_S = 5.0
_MODULE = "serverless_dnn.bench.load.worker"


class Generators(Protocol):
    """Whatever sends a step's requests."""

    def add(self, label: str, call: Call) -> None:
        """Learn how a configuration is called."""
        ...

    def run(self, step: Step, on_sample: Callable[[], None] | None = None) -> StepResult:
        """Send a step's requests, and wait for all answers."""
        ...

    def close(self) -> None:
        """End what was started."""
        ...


class ProcessGenerators:
    """Generators in processes of their own, for load that would keep one busy.

    They begin each step at the same instant: all processes of a machine share one monotonic clock. The step's outputs
    stay with them. They end with the thread that started them, however that ends.

    Args:
        count: How many.
    """

    def __init__(self, count: int) -> None:
        self._workers = [
            subprocess.Popen(
                [sys.executable, "-m", _MODULE, str(number), str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                # An interrupt from the terminal is for us to answer.
                process_group=0,
            )
            for number in range(count)
        ]

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes."""
        return tuple(worker.pid for worker in self._workers)

    def add(self, label: str, call: Call) -> None:
        """Learn how a configuration is called.

        Args:
            label: The configuration's label.
            call: How it is called.

        Raises:
            LoadError: A generator has ended.
        """
        self._tell({worker: {"add": label, "call": call.to_document()} for worker in self._workers})

    def run(self, step: Step, on_sample: Callable[[], None] | None = None) -> StepResult:
        """Send a step's requests, and wait for all answers.

        Args:
            step: The step, divided among the generators.
            on_sample: Called for each request, once all are answered.

        Returns:
            What came of it, without outputs.

        Raises:
            LoadError: A generator has ended, or could not make its requests; all are ended then.
        """
        parts = zip(self._workers, step.parts(len(self._workers)), strict=True)
        busy = {worker: {"prepare": part.to_document()} for worker, part in parts if part is not None}
        self._tell(busy)
        begin_ns = time.perf_counter_ns() + _LEAD_NS
        answers = self._tell({worker: {"begin_ns": begin_ns} for worker in busy})
        result = merged([read_result(answer) for answer in answers])
        for _ in result.samples:
            if on_sample is not None:
                on_sample()
        return result

    def close(self) -> None:
        """End the processes."""
        for worker in self._workers:
            assert worker.stdin is not None
            # One that was killed does not read what it was told last.
            with suppress(BrokenPipeError):
                worker.stdin.close()
        for worker in self._workers:
            try:
                worker.wait(_STOP_GRACE_S)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
            assert worker.stdout is not None
            worker.stdout.close()

    def _tell(self, commands: dict[subprocess.Popen[bytes], dict[str, Any]]) -> list[dict[str, Any]]:
        """Send commands, and wait for all answers."""
        try:
            for worker, command in commands.items():
                _send(worker, command)
            answers = []
            with selectors.DefaultSelector() as waiting:
                for worker in commands:
                    assert worker.stdout is not None
                    waiting.register(worker.stdout, selectors.EVENT_READ, worker)
                while waiting.get_map():
                    for key, _ in waiting.select():
                        waiting.unregister(key.fileobj)
                        answers.append(_receive(key.data))
        except BaseException:
            # They would go on sending.
            for worker in self._workers:
                worker.kill()
            raise
        return answers


def start_generators(count: int) -> Generators:
    """Start generators on this machine.

    Args:
        count: How many; one stays in this process.

    Returns:
        The generators; close them.
    """
    return Generator() if count == 1 else ProcessGenerators(count)


def merged(results: Sequence[StepResult]) -> StepResult:
    """Put the results of several generators together.

    Args:
        results: Each generator's.

    Returns:
        One result, its requests numbered without gaps in the order in which they were due.
    """
    samples = sorted(
        (sample for result in results for sample in result.samples),
        key=lambda sample: (sample.scheduled_ns, sample.index),
    )
    first = min((sample.index for sample in samples), default=0)
    samples = [
        sample if sample.index == index else replace(sample, index=index) for index, sample in enumerate(samples, first)
    ]
    return StepResult(
        samples,
        next((result.outputs for result in results if result.outputs is not None), None),
        max((result.duration_ns for result in results), default=0),
        # The busiest is what counts: one that is busy all the time is late, whatever the others do.
        max((result.cpu_ns for result in results), default=0),
    )


def _send(worker: subprocess.Popen[bytes], command: dict[str, Any]) -> None:
    assert worker.stdin is not None
    try:
        worker.stdin.write(orjson.dumps(command) + b"\n")
        worker.stdin.flush()
    except (OSError, ValueError):
        # A pipe that was closed by the other side, or by us.
        raise _ended(worker) from None


def _receive(worker: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert worker.stdout is not None
    line = worker.stdout.readline()
    if not line.endswith(b"\n"):
        raise _ended(worker)
    answer: dict[str, Any] = orjson.loads(line)
    if "error" in answer:
        raise LoadError(answer["error"])
    return answer


def _ended(worker: subprocess.Popen[bytes]) -> LoadError:
    return LoadError(
        f"a generator process ended with {worker.wait(_STOP_GRACE_S)}; if it said why, that is above: run it again, or "
        "with fewer generators"
    )
