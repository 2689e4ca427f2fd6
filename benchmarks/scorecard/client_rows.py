"""What the client costs: importing it, and each call beside a generated stub's."""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np
from cloudrun_server import start_cloudrun
from identity_model import SIZES, UNLIMITED, save_identity
from rows import Effort, Row, interleave, quartiles, ratio_row

from serverless_dnn.client import connect
from serverless_dnn.protos.v1 import predict_pb2, prediction_service_pb2_grpc

_BAR = 1.05
_BAR_S = 1e-4
_FLOAT = 1


def import_rows(effort: Effort) -> Iterator[Row]:
    """``client.import.*``: a new process that makes a gRPC client.

    Args:
        effort: How long to measure.
    """
    code = (
        "import time; begin = time.perf_counter()\n"
        "from serverless_dnn.client import connect\n"
        "connect('grpc://127.0.0.1:1', 'm')\n"
        "took = time.perf_counter() - begin\n"
        "import json, psutil, sys; assert 'tensorflow' not in sys.modules\n"
        "print(json.dumps([took, psutil.Process().memory_info().rss / 1e6]))"
    )
    runs = [
        json.loads(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)
        for _ in range(effort.of(7, 3))
    ]
    for index, (name, bar, unit) in enumerate((("client.import", 0.25, "s"), ("client.import.memory", 60.0, "MB"))):
        values = sorted(run[index] for run in runs)
        value = values[len(values) // 2]
        verdict = "pass" if value <= bar else "short"
        yield Row(name, value, bar, verdict, unit, quartiles(values), len(values), "a new process to a gRPC client")


def call_rows(effort: Effort) -> Iterator[Row]:
    """``client.overhead.<bytes>``: a client's prediction, of the same call by the stub that gRPC generates.

    Both make a message of an array and an array of the answer; the client checks and times as well. It passes at 5 %,
    or at a tenth of a millisecond.

    Args:
        effort: How long to measure.
    """
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        target = start_cloudrun(running, "identity", save_identity(Path(folder) / "identity"), Path(folder))
        channel = running.enter_context(grpc.insecure_channel(target, UNLIMITED))
        client = running.enter_context(connect(f"grpc://{target}", "identity"))
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        for label, count in SIZES.items():
            array = np.ones(count, np.float32)
            sides = {
                "client": lambda array=array: client.predict({"x": array}).outputs["y"],
                "stub": lambda array=array: _by_stub(stub, array),
            }
            timed = interleave(sides, effort.of(400, 80), warm_up=20)
            note = "a client's prediction / a generated stub's, p50"
            name = f"client.overhead.{label}"
            row = ratio_row(name, timed["client"], timed["stub"], _BAR, note, at_most=True)
            more_s = statistics.median(timed["client"]) - statistics.median(timed["stub"])
            yield replace(row, verdict="pass" if row.verdict == "pass" or more_s <= _BAR_S else "short")


def _by_stub(stub: prediction_service_pb2_grpc.PredictionServiceStub, array: np.ndarray) -> np.ndarray:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "identity"
    tensor = request.inputs["x"]
    tensor.dtype = _FLOAT  # type: ignore[assignment] # a number of the enum
    tensor.tensor_shape.dim.add(size=array.shape[0])
    tensor.tensor_content = array.tobytes()
    answer = stub.Predict(request, timeout=60).outputs["y"]
    return np.frombuffer(answer.tensor_content, np.float32).reshape([dim.size for dim in answer.tensor_shape.dim])
