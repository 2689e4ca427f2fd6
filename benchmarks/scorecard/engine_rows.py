"""Engines against a call of TensorFlow's signature, all in one process, in turn."""

from collections.abc import Callable, Iterator
from pathlib import Path

from rows import Row, interleave, ratio_row

from serverless_dnn.bench.machine import describe_machine
from serverless_dnn.models.registry import MODELS
from serverless_dnn.models.workload import make_request
from serverless_dnn.runtime.engines import EngineOptions, load_model
from serverless_dnn.runtime.signature import read_signatures
from serverless_dnn.runtime.timing import Instance

_SECONDS = 20.0
_BARS = {"openvino_f32": 1.2, "openvino_bf16": 3.0, "tf_optimized": 1.1}
_MOBILENET_BARS = {"openvino_f32": 3.0, "openvino_bf16": 6.0, "tf_optimized": 1.1}
_OPTIONS = {
    "tf_signature": EngineOptions(name="tensorflow"),
    "tf_optimized": EngineOptions(name="tensorflow", graph="frozen"),
    "openvino_f32": EngineOptions(name="openvino"),
    "openvino_bf16": EngineOptions(name="openvino", precision="bf16"),
}


def engine_rows(models: Path) -> Iterator[Row]:
    """``engine.<model>.*``.

    Args:
        models: A folder of the exported models.
    """
    has_bf16 = bool({"avx512_bf16", "amx_bf16"} & set(describe_machine()["isa"]))  # type: ignore[arg-type]
    for name in MODELS:
        folder = models / name / "1"
        sides = {
            side: _call(folder, name, options) for side, options in _OPTIONS.items() if has_bf16 or "bf16" not in side
        }
        slowest = max(interleave(sides, 1)["tf_signature"])
        timed = interleave(sides, max(5, min(60, int(_SECONDS / 4 / slowest))))
        for side, bar in (_MOBILENET_BARS if name == "mobilenet_v1" else _BARS).items():
            if side in timed:
                note = f"TensorFlow signature call / {side}, batch 1"
                yield ratio_row(f"engine.{name}.{side}", timed["tf_signature"], timed[side], bar, note)
            else:
                yield Row(f"engine.{name}.{side}", None, bar, "n/a", "x", None, 0, "this CPU has no bf16 arithmetic")


def _call(folder: Path, name: str, options: EngineOptions) -> Callable[[], object]:
    signatures = read_signatures(folder)
    model, inputs = load_model(folder, signatures, options, Instance()), make_request(name)
    return lambda: model.run(signatures["serving_default"], inputs)
