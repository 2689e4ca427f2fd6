"""Cold starts against the least that one can be: import the engine, read the compiled model, predict once."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from platform_rows import fill_cache, first_answer
from rows import Effort, Row, ratio_row

from serverless_dnn.bench.platforms import PLATFORMS
from serverless_dnn.models.workload import make_request

_BARS = {"mobilenet_v1": 1.25, "bert_base": 1.1}
# What loads a compiled model in OpenVINO and nothing else: no server, no checks, no SavedModel.
_BAREST = """
import os, sys
sys.modules["openvino.tools.ovc"] = None
import numpy as np
import openvino

# The map must outlive the tensor that reads it: kept by its name.
content = np.memmap(sys.argv[1], np.uint8, "c")
blob = openvino.Tensor(content, shared_memory=True)
# With another precision than it was compiled for, the model ends the process.
settings = {"PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False, "INFERENCE_PRECISION_HINT": "f32"}
core = openvino.Core()
compiled = core.import_model(blob, "CPU", settings)
request = compiled.create_infer_request()
request.infer(dict(np.load(sys.argv[2])))
# Not by the interpreter's own way out, which may free the memory map before the model that reads it.
os._exit(0)
"""


def cold_floor_rows(models: Path, effort: Effort) -> Iterator[Row]:
    """``cold.<platform>.floor.<model>``: a cold start with a filled cache, of the time of the barest script.

    Args:
        models: A folder of the exported models.
        effort: How long to measure.
    """
    with tempfile.TemporaryDirectory() as folder:
        for model, bar in _BARS.items():
            cache = Path(folder) / model
            fill_cache(model, models, cache)
            (blob,) = cache.rglob("*.blob")
            inputs = Path(folder) / f"{model}.npz"
            np.savez(inputs, **make_request(model))  # type: ignore[arg-type] # names of inputs
            for platform in PLATFORMS:
                timed: tuple[list[float], list[float]] = ([], [])
                for number in range(1 + effort.of(7, 2)):
                    ours = first_answer(platform, model, models, "openvino", cache, warm_up=False)
                    barest = _run(blob, inputs)
                    # The first round reads the files.
                    if number:
                        timed[0].append(ours)
                        timed[1].append(barest)
                note = (
                    "from a request without an instance to its answer, without warm-up / the barest script's whole run"
                )
                yield ratio_row(f"cold.{platform}.floor.{model}", *timed, bar, note, at_most=True)


def _run(blob: Path, inputs: Path) -> float:
    begin_ns = time.perf_counter_ns()
    command = [sys.executable, "-c", _BAREST, str(blob), str(inputs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the barest script ended with {done.returncode}: {done.stderr[-500:]}")
    return (time.perf_counter_ns() - begin_ns) / 1e9
