"""A process that calls one fuzzed model after the other, from many threads at once."""

import faulthandler
import importlib
import logging
import os
import resource
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from fuzzed_operators import MODELS
from fuzzed_operators.hostile import draw_inputs, foreign_numbers
from fuzzed_operators.registry import FuzzedModel

THREADS = 8
# What one model's calls may take beyond what is there before: a caller who is given more fills the machine.
_MEMORY_BYTES = 2 << 30


@dataclass(frozen=True)
class Batch:
    """Calls of one model; with the seed, a call's number decides what it holds.

    Attributes:
        model_name: The model.
        seed: The seed of the whole run.
        numbers: The calls.
    """

    model_name: str
    seed: int
    numbers: range


@dataclass
class Outcome:
    """What came of a batch.

    Attributes:
        refused: Why the model was not loaded; empty when it was.
        operators: The operators that its signature reaches.
        counts: How many calls were answered and how many refused, by code.
        faults: What must not be, such as an error that is none of ours.
    """

    refused: str = ""
    operators: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def work(root: Path, log: Path, connection: Connection, in_flight: Any) -> None:
    """Answer requests, each a `Batch`, with an `Outcome`.

    Args:
        root: Each model's folder goes here.
        log: What engines print goes here.
        connection: Where requests come from.
        in_flight: A number for each thread, in memory that outlives this process: the call it is in, or -1.
    """
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    faulthandler.enable()
    logging.disable(logging.ERROR)
    # Before memory is little, in which it could not be imported.
    importlib.import_module("tensorflow")
    while True:
        batch = connection.recv()
        try:
            outcome = fuzz(MODELS[batch.model_name], root / batch.model_name / "1", batch, in_flight)
        except Exception:  # noqa: BLE001 - told of by the test
            outcome = Outcome(faults=[traceback.format_exc()])
        connection.send(outcome)


def fuzz(model: FuzzedModel, folder: Path, batch: Batch, in_flight: Any) -> Outcome:
    """Call a model; see `work`."""
    from serverless_dnn.runtime.engines.selection import load_model
    from serverless_dnn.runtime.errors import ServingError, status_of
    from serverless_dnn.runtime.inference.predictor import complete_inputs
    from serverless_dnn.runtime.saved_model.graph import reached_operators, read_graph
    from serverless_dnn.runtime.saved_model.signature import DEFAULT_SIGNATURE, read_signatures
    from serverless_dnn.runtime.settings import EngineOptions
    from serverless_dnn.runtime.timing import Instance

    if not folder.exists():
        model.write(folder)
    signatures = read_signatures(folder)
    signature = signatures[DEFAULT_SIGNATURE]
    names = [spec.graph_name for spec in signature.outputs.values()]
    outcome = Outcome(operators=sorted({node.op for node in reached_operators(read_graph(folder), names)}))
    try:
        loaded = load_model(folder, signatures, EngineOptions(name="openvino", threads=2), Instance())
    except ServingError as error:
        outcome.refused = str(error)
        return outcome
    slots = list(range(THREADS))

    def call(number: int) -> str:
        inputs = draw_inputs(model, batch.seed, number)
        slot = slots.pop()
        in_flight[slot] = number
        try:
            # Without a server's runner, which would let only as many run at once as the engine says.
            outputs = loaded.run(signature, complete_inputs(signature, inputs))
            fault = "" if model.adds is None else foreign_numbers(outputs, inputs, model.adds)
        except ServingError as error:
            return status_of(error).name
        except Exception as error:  # noqa: BLE001 - told of by the test
            fault = f"{type(error).__name__}: {error}"
        finally:
            in_flight[slot] = -1
            slots.append(slot)
        if fault:
            shown = ", ".join(f"{name}: {array.dtype}{list(array.shape)}" for name, array in inputs.items())
            outcome.faults.append(f"call {number} of ({shown}): {fault}")
        return "answered"

    with _little_memory(), ThreadPoolExecutor(THREADS) as pool:
        outcome.counts.update(pool.map(call, batch.numbers))
    return outcome


@contextmanager
def _little_memory() -> Iterator[None]:
    """Let nothing take more memory than a batch needs, so that sizes of gigabytes fail instead of filling the machine."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + _MEMORY_BYTES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
