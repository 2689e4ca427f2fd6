"""A process that computes TensorFlow's answers and ours for one model after the other."""

import logging
import os
import threading
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from corpus import MODELS
from corpus.registry import Arrays, Case, Model

from harness.comparison import Difference, differences, random_differences

THREADS = 4
# Codes of TensorFlow's faults, not of the caller's: ours may be better.
TENSORFLOWS_OWN = ("INTERNAL", "ABORTED", "UNKNOWN")


@dataclass
class Verdict:
    """What came of one model.

    Attributes:
        engine: What ran it; empty when it did not load.
        reason: Why `auto` did not choose the other.
        differences: Where it is not TensorFlow's, empty if nowhere.
        expected: TensorFlow's answers, one a case.
    """

    engine: str = ""
    reason: str = ""
    differences: list[Difference] = field(default_factory=list)
    expected: "list[Answer]" = field(default_factory=list)


@dataclass(frozen=True)
class Refusal:
    """An error instead of an answer; the code is gRPC's name, empty where an error has none."""

    code: str
    message: str


Answer = Arrays | Refusal


def quiet(log: Path) -> None:
    """Write what TensorFlow and others print to a file, and keep TensorFlow off GPUs."""
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    for name in ("tensorflow", "absl"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def build(root: Path, names: Sequence[str], connection: Connection) -> None:
    """Write models, and send what went wrong by name."""
    quiet(root / "build.log")
    failed = {}
    for name in names:
        try:
            MODELS[name].write(root / name / "1")
        except Exception:  # noqa: BLE001 - whatever is wrong with a model, the others are built
            failed[name] = traceback.format_exc()
    connection.send(failed)


def work(root: Path, connection: Connection, log: Path) -> None:
    """Answer requests, each the name of a model and an engine, with a `Verdict`."""
    quiet(log)
    while True:
        name, engine = connection.recv()
        try:
            verdict = judge(MODELS[name], root / name, engine)
        except Exception:  # noqa: BLE001 - whatever is wrong with a model, the others are judged
            verdict = Verdict(differences=[Difference("HARNESS", traceback.format_exc())])
        connection.send(verdict)


def judge(model: Model, folder: Path, engine: str) -> Verdict:
    """Compare an engine's answers with TensorFlow's.

    Args:
        model: The model.
        folder: Its folder.
        engine: The engine's name.

    Returns:
        What came of it.
    """
    from serverless_dnn.runtime.errors import ServingError, status_of
    from serverless_dnn.runtime.inference.predictor import predict
    from serverless_dnn.runtime.repository.loading import start_repository
    from serverless_dnn.runtime.settings import EngineOptions, ServerSettings
    from serverless_dnn.runtime.timing import Instance, PhaseTimer

    cases = model.cases()
    expected = reference(model, folder / "1", cases)
    settings = ServerSettings(model_base_path=folder, engine=EngineOptions(name=engine, threads=2))
    try:
        repository = start_repository(settings, Instance())
        servable = repository.get(model.name)
    except ServingError as error:
        return Verdict(differences=[Difference("LOAD", f"{status_of(error).name}: {error}")], expected=expected)

    def ask(case: Case) -> Answer:
        try:
            return predict(servable, servable.signature(case.signature), case.inputs, PhaseTimer())
        except ServingError as error:
            return Refusal(status_of(error).name, str(error))
        except Exception as error:  # noqa: BLE001 - an error of no kind that we promise is what is looked for
            return Refusal("INTERNAL", f"not a ServingError but {type(error).__name__}: {error}")

    try:
        found = compare(model, cases, expected, ask) + changed_inputs(cases, model.cases())
    finally:
        repository.close()
    counted = [difference for difference in found if difference.kind not in model.accepted]
    return Verdict(servable.engine.name, servable.engine.reason, counted, expected)


def reference(model: Model, folder: Path, cases: Sequence[Case]) -> list[Answer]:
    """What TensorFlow Serving answers: the signature's function."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder), tags=["serve"])
    answers: list[Answer] = []
    for case in cases:
        tensors = {name: tf.constant(array) for name, array in {**model.defaults, **case.inputs}.items()}
        try:
            outputs = loaded.signatures[case.signature](**tensors)
            answers.append({name: np.asarray(tensor.numpy()) for name, tensor in outputs.items()})
        except tf.errors.OpError as error:
            answers.append(Refusal(_code_name(error), error.message))
        except (TypeError, ValueError) as error:
            answers.append(Refusal("", str(error)))
    return answers


def _code_name(error: Any) -> str:
    from tensorflow.core.protobuf.error_codes_pb2 import Code

    return str(Code.Name(error.error_code))


def compare(model: Model, cases: Sequence[Case], expected: Sequence[Answer], ask: Any) -> list[Difference]:
    """Ask for every case, then again, then from several threads at once."""
    answers = [ask(case) for case in cases]
    if model.random:
        refused = [str(answer) for answer in (*expected, *answers) if isinstance(answer, Refusal)]
        return [Difference("REFUSES", text) for text in refused] or random_differences(expected, answers)
    found = []
    for number, (theirs, ours) in enumerate(zip(expected, answers, strict=True)):
        found += [Difference(kind, f"case {number}: {text}") for kind, text in _outcome(theirs, ours, model)]
    if model.stateful:
        return found

    def repeat(kind: str, numbers: Sequence[int], into: list[Difference]) -> None:
        for number in numbers:
            again = ask(cases[number])
            if isinstance(again, Refusal) != isinstance(answers[number], Refusal):
                into.append(Difference(kind, f"case {number}: {again}"))
            elif not isinstance(again, Refusal):
                changed = differences(answers[number], again, model)
                into.extend(Difference(kind, f"case {number}: {text}") for _, text in changed)

    backwards = range(len(cases))[::-1]
    repeat("UNSTABLE", backwards, found)
    # Half of the cases each, so that different ones meet.
    shares = [backwards[start % 2 :: 2] or backwards for start in range(THREADS)]
    threads = [threading.Thread(target=repeat, args=("THREADS", share, found)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def changed_inputs(cases: Sequence[Case], fresh: Sequence[Case]) -> list[Difference]:
    """What an engine wrote into the arrays it was given."""
    return [
        Difference("INPUT", f"case {number}: {name} was changed")
        for number, (case, other) in enumerate(zip(cases, fresh, strict=True))
        for name, array in case.inputs.items()
        if array.tobytes() != other.inputs[name].tobytes() and array.dtype.kind != "O"
    ]


def _outcome(theirs: Answer, ours: Answer, model: Model) -> list[Difference]:
    if isinstance(theirs, Refusal):
        if not isinstance(ours, Refusal):
            return [Difference("ANSWERS", f"TensorFlow refuses ({theirs}), we answer {ours}")]
        if theirs.code not in TENSORFLOWS_OWN and (ours.code == "INTERNAL" or theirs.code not in ("", ours.code)):
            return [Difference("CODE", f"TensorFlow refuses with {theirs}, we with {ours}")]
        return []
    if isinstance(ours, Refusal):
        return [Difference("REFUSES", f"TensorFlow answers, we refuse with {ours}")]
    return differences(theirs, ours, model)
