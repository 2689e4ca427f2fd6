"""Engines against TensorFlow's signature call, each in its own process, alternating."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from engine_process import Rounds, time_engines
from rows import Effort, Row, ratio_row

from serverless_dnn.bench.machine import describe_machine
from serverless_dnn.models.registry import MODELS
from serverless_dnn.runtime.cpus import effective_cpus
from serverless_dnn.runtime.settings import EngineOptions

_BARS = {"openvino_f32": 1.2, "openvino_bf16": 3.0, "tf_optimized": 1.1}
_MOBILENET_BARS = {"openvino_f32": 3.0, "openvino_bf16": 6.0, "tf_optimized": 1.1}
_OPTIONS = {
    "tf_signature": EngineOptions(name="tensorflow"),
    "tf_optimized": EngineOptions(name="tensorflow", graph="frozen"),
    "openvino_f32": EngineOptions(name="openvino"),
    "openvino_bf16": EngineOptions(name="openvino", precision="bf16"),
}
# As many predictions a round that it takes about as long for every model.
_PREDICTIONS = {"mobilenet_v1": 10, "inception_v3": 3, "yolo_v5s": 2, "bert_base": 1}


def _rounds(name: str, effort: Effort) -> Rounds:
    return Rounds(_PREDICTIONS[name], counted=effort.of(15, 3), warm_up=effort.of(2, 1))


def engine_rows(models: Path, effort: Effort) -> Iterator[Row]:
    """``engine.<model>.*``.

    Args:
        models: A folder of the exported models.
        effort: How long to measure.
    """
    has_bf16 = bool({"avx512_bf16", "amx_bf16"} & set(describe_machine()["isa"]))  # type: ignore[arg-type]
    sides = {side: options for side, options in _OPTIONS.items() if has_bf16 or "bf16" not in side}
    for name in MODELS:
        timed = time_engines(models / name / "1", name, sides, _rounds(name, effort))
        for side, bar in (_MOBILENET_BARS if name == "mobilenet_v1" else _BARS).items():
            if side in timed:
                note = f"TensorFlow signature call / {side}, batch 1"
                reference, ours = timed["tf_signature"].seconds, timed[side].seconds
                yield ratio_row(f"engine.{name}.{side}", reference, ours, bar, note)
            else:
                yield Row(f"engine.{name}.{side}", None, bar, "n/a", "x", None, 0, "this CPU has no bf16 arithmetic")


def thread_rows(models: Path, effort: Effort) -> Iterator[Row]:
    """``threads.<model>.*``: a prediction with other numbers of threads, against as many as there are CPUs.

    Args:
        models: A folder of the exported models.
        effort: How long to measure.
    """
    cpus = effective_cpus()
    for name in MODELS:
        sides = {threads: EngineOptions(name="openvino", threads=threads) for threads in (cpus, 1, 2 * cpus)}
        timed = time_engines(models / name / "1", name, sides, _rounds(name, effort))
        for threads in (1, 2 * cpus):
            note = f"OpenVINO with {threads} threads / with {cpus}, the default here, batch 1"
            row = ratio_row(f"threads.{name}.{threads}", timed[threads].seconds, timed[cpus].seconds, 1.0, note)
            yield replace(row, verdict="n/a")
