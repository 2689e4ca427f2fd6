"""The effect of dynamic batching on each model at concurrency 1, 8 and 40, alternating on and off."""

import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
from engine_process import CACHE
from identity_model import UNLIMITED
from rows import Effort, Row, quartiles

from serverless_dnn.bench.targets.processes import start_server
from serverless_dnn.client.model import ModelAddress
from serverless_dnn.client.wire.grpc_api import PREDICT
from serverless_dnn.client.wire.messages import encode_request
from serverless_dnn.models.registry import MODELS
from serverless_dnn.models.workload import make_request

_CONCURRENCIES = (1, 8, 40)
# Requests of one round, so that a round takes about as long for every model; at least one for each caller.
_REQUESTS = {"mobilenet_v1": 240, "inception_v3": 40, "yolo_v5s": 24, "bert_base": 8}
_PARAMETERS = "max_batch_size { value: 8 } max_enqueued_batches { value: 100 } allowed_batch_sizes: [1, 2, 4, 8]"


def batching_rows(models: Path, effort: Effort) -> Iterator[Row]:
    """``batching.cloudrun.<model>.<concurrency>``: requests a second with batching, of those without.

    Args:
        models: A folder of the exported models.
        effort: How long to measure.
    """
    for model in MODELS:
        with ExitStack() as running:
            folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
            (folder / "batching.txt").write_text(_PARAMETERS)
            sides = {
                "off": {},
                "on": {
                    "SDNN_ENABLE_BATCHING": "true",
                    "SDNN_BATCHING_PARAMETERS_FILE": str(folder / "batching.txt"),
                },
            }
            calls: dict[str, Any] = {}
            for side, variables in sides.items():
                environment = {
                    **variables,
                    "SDNN_MODEL_BASE_PATH": str(models / model),
                    "SDNN_ENGINE": "openvino",
                    "SDNN_CACHE_FOLDER": str(CACHE),
                    "SDNN_HOST": "127.0.0.1",
                    "PORT": "0",
                }
                server = start_server(["sdnn-cloudrun"], environment, folder / f"{side}.log")
                running.callback(server.stop, 0)
                target = f"127.0.0.1:{server.wait_ready(120)}"
                channel = running.enter_context(grpc.insecure_channel(target, UNLIMITED))
                calls[side] = channel.unary_unary(PREDICT)
            body = encode_request(ModelAddress(model), make_request(model))
            for concurrency in _CONCURRENCIES:
                yield _measure(model, calls, body, concurrency, effort)


def _measure(model: str, calls: dict[str, Any], body: bytes, concurrency: int, effort: Effort) -> Row:
    rounds, warm_up = effort.of(3, 1), effort.of(1, 0)
    requests = max(concurrency, _REQUESTS[model] // effort.of(1, 8))
    rates: dict[str, list[float]] = {side: [] for side in calls}
    latencies: dict[str, list[float]] = {side: [] for side in calls}
    with ThreadPoolExecutor(concurrency) as threads:
        for number in range(warm_up + rounds):
            for side, call in calls.items():

                def timed(_: int, call: Any = call) -> float:
                    begin_ns = time.perf_counter_ns()
                    call(body, timeout=300)
                    return (time.perf_counter_ns() - begin_ns) / 1e6

                begin_ns = time.perf_counter_ns()
                took = list(threads.map(timed, range(requests)))
                if number >= warm_up:
                    rates[side].append(requests / ((time.perf_counter_ns() - begin_ns) / 1e9))
                    latencies[side] += took
    on, off = (statistics.median(rates[side]) for side in ("on", "off"))
    p50 = {side: statistics.median(latencies[side]) for side in calls}
    note = (
        f"requests/s with batches of up to 8 / without batching: {on:.3g} / {off:.3g}; "
        f"p50 {p50['on']:.3g} ms / {p50['off']:.3g} ms"
    )
    spread = quartiles([one / other for one, other in zip(rates["on"], rates["off"], strict=True)])
    return Row(f"batching.cloudrun.{model}.{concurrency}", on / off, 1.0, "n/a", "x", spread, rounds, note)
