"""Engines against a call of TensorFlow's signature, each in a process of its own, in turn."""

import subprocess
import sys
from collections.abc import Hashable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from rows import Row, ratio_row

from serverless_dnn.bench.machine import describe_machine
from serverless_dnn.models.registry import MODELS
from serverless_dnn.runtime.cpus import effective_cpus
from serverless_dnn.runtime.engines import EngineOptions

_SideT = TypeVar("_SideT", bound=Hashable)
_BARS = {"openvino_f32": 1.2, "openvino_bf16": 3.0, "tf_optimized": 1.1}
_MOBILENET_BARS = {"openvino_f32": 3.0, "openvino_bf16": 6.0, "tf_optimized": 1.1}
_OPTIONS = {
    "tf_signature": EngineOptions(name="tensorflow"),
    "tf_optimized": EngineOptions(name="tensorflow", graph="frozen"),
    "openvino_f32": EngineOptions(name="openvino"),
    "openvino_bf16": EngineOptions(name="openvino", precision="bf16"),
}
_ROUNDS = 15
_WARM_UP = 2
# Predictions of one round, so that a round takes about as long for every model.
_PREDICTIONS = {"mobilenet_v1": 10, "inception_v3": 3, "yolo_v5s": 2, "bert_base": 1}
_PROBE = Path(__file__).with_name("engine_probe.py")


class _Engine:
    """An engine's process.

    Args:
        folder: The model's version folder.
        name: The model.
        options: How to run it.
    """

    def __init__(self, folder: Path, name: str, options: EngineOptions) -> None:
        arguments = [str(folder), name, options.name, options.precision, options.graph, str(options.threads or 0)]
        self.process = subprocess.Popen(
            [sys.executable, str(_PROBE), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def round(self, predictions: int) -> float:
        """Predict, and give the seconds of one prediction."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{predictions}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def engine_rows(models: Path) -> Iterator[Row]:
    """``engine.<model>.*``.

    Args:
        models: A folder of the exported models.
    """
    has_bf16 = bool({"avx512_bf16", "amx_bf16"} & set(describe_machine()["isa"]))  # type: ignore[arg-type]
    sides = {side: options for side, options in _OPTIONS.items() if has_bf16 or "bf16" not in side}
    for name in MODELS:
        timed = _measure(models / name / "1", name, sides)
        for side, bar in (_MOBILENET_BARS if name == "mobilenet_v1" else _BARS).items():
            if side in timed:
                note = f"TensorFlow signature call / {side}, batch 1"
                yield ratio_row(f"engine.{name}.{side}", timed["tf_signature"], timed[side], bar, note)
            else:
                yield Row(f"engine.{name}.{side}", None, bar, "n/a", "x", None, 0, "this CPU has no bf16 arithmetic")


def thread_rows(models: Path) -> Iterator[Row]:
    """``threads.<model>.*``: a prediction with other numbers of threads, against as many as there are CPUs.

    Args:
        models: A folder of the exported models.
    """
    cpus = effective_cpus()
    for name in MODELS:
        sides = {threads: EngineOptions(name="openvino", threads=threads) for threads in (cpus, 1, 2 * cpus)}
        timed = _measure(models / name / "1", name, sides)
        for threads in (1, 2 * cpus):
            note = f"OpenVINO with {threads} threads / with {cpus}, the default here, batch 1"
            row = ratio_row(f"threads.{name}.{threads}", timed[threads], timed[cpus], 1.0, note)
            yield replace(row, verdict="n/a")


def _measure(folder: Path, name: str, sides: Mapping[_SideT, EngineOptions]) -> dict[_SideT, list[float]]:
    """Seconds of a prediction, round by round, each side in a process of its own and in turn."""
    timed: dict[_SideT, list[float]] = {side: [] for side in sides}
    with ExitStack() as running:
        engines = {side: _Engine(folder, name, options) for side, options in sides.items()}
        for engine in engines.values():
            running.enter_context(engine.process)
            running.callback(engine.process.kill)
        for number in range(_WARM_UP + _ROUNDS):
            for side, engine in engines.items():
                seconds = engine.round(_PREDICTIONS[name])
                if number >= _WARM_UP:
                    timed[side].append(seconds)
    return timed
