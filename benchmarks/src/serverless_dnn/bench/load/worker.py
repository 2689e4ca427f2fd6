"""A generator in a process of its own: takes commands as JSON lines, and answers each with a line.

Started as ``python -m serverless_dnn.bench.load.worker NUMBER PARENT`` by ``generators.ProcessGenerators``; it ends
when its input does, and at once when its parent does.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

import orjson

from serverless_dnn.bench.errors import LoadError
from serverless_dnn.bench.load.generator import Call, Generator, StepResult
from serverless_dnn.bench.load.samples import Sample
from serverless_dnn.bench.load.steps import Step

_PR_SET_PDEATHSIG = 1


def serve(generator: Generator, commands: BinaryIO, answers: BinaryIO) -> None:
    """Carry out commands until there are no more.

    Args:
        generator: Sends the load.
        commands: A JSON object on each line: ``{"add": label, "call": call}``; ``{"prepare": step}``; and then
            ``{"begin_ns": time}``.
        answers: Gets one line for each command: ``{}``, the result, or ``{"error": message}``.
    """
    begin: Callable[[int | None], StepResult] | None = None
    for line in commands:
        command: dict[str, Any] = orjson.loads(line)
        answer: dict[str, Any] = {}
        try:
            if "add" in command:
                generator.add(command["add"], Call.from_document(command["call"]))
            elif "prepare" in command:
                begin = generator.prepare(Step.from_document(command["prepare"]))
            else:
                assert begin is not None
                answer = result_document(begin(command["begin_ns"]))
        except LoadError as error:
            answer = {"error": str(error)}
        answers.write(orjson.dumps(answer) + b"\n")
        answers.flush()


def result_document(result: StepResult) -> dict[str, Any]:
    """Write a result for another process; its outputs stay here.

    Args:
        result: The result.

    Returns:
        What ``orjson`` can write.
    """
    return {"samples": result.samples, "duration_ns": result.duration_ns, "cpu_ns": result.cpu_ns}


def read_result(document: dict[str, Any]) -> StepResult:
    """Read what ``result_document`` wrote.

    Args:
        document: The document.

    Returns:
        The result, without outputs.
    """
    samples = [Sample(**sample) for sample in document["samples"]]
    return StepResult(samples, None, document["duration_ns"], document["cpu_ns"])


def _main(number: int, parent: int) -> None:
    # A parent that is killed cannot close our input while we are sending.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    # Whatever a library prints is no answer.
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        generator = Generator(number)
        try:
            serve(generator, sys.stdin.buffer, answers)
        finally:
            generator.close()


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]))
