"""How long a probe waits for its answer while a server is busy with predictions."""

import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import urllib3
from grpc_health.v1 import health_pb2, health_pb2_grpc
from rows import Effort, Row, quartiles

from serverless_dnn.bench.targets.processes import ServerProcess, start_server
from serverless_dnn.client import ClientOptions, connect
from serverless_dnn.models.workload import make_request

_MODEL = "mobilenet_v1"
_CALLERS = 8
# Kubernetes and Cloud Run count a probe as failed after a second; a tenth of it leaves room for their own way to it.
_BAR_MS = 100.0


def probe_rows(models: Path, effort: Effort) -> Iterator[Row]:
    """``probe.<server>.p99``: a probe's wait while eight callers keep the server busy, in milliseconds.

    Args:
        models: A folder of the exported models.
        effort: How long to measure.
    """
    seconds = effort.of(20, 4)
    shared = {"SDNN_HOST": "127.0.0.1", "SDNN_ENGINE": "openvino"}
    of_server: dict[str, tuple[list[str], dict[str, str]]] = {
        "cloudrun": (["sdnn-cloudrun"], {"SDNN_MODEL_BASE_PATH": str(models / _MODEL), "PORT": "0"}),
        "model_server": (
            [
                *("sdnn-model-server", "--port=0", "--rest_api_port=-1", f"--model_name={_MODEL}"),
                f"--model_base_path={models / _MODEL}",
            ],
            {},
        ),
    }
    for name, (command, variables) in of_server.items():
        with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
            server = start_server(command, shared | variables, Path(folder) / "server.log")
            running.callback(server.stop, 0)
            target = f"127.0.0.1:{server.wait_ready(120)}"
            probes = {"grpc": _grpc_probe(running, target)}
            url = f"grpc://{target}"
            if name == "model_server":
                url = f"http://127.0.0.1:{_rest_port(server)}"
                probes["rest"] = _rest_probe(url)
            for kind, waits_ms in _measure(url, probes, seconds).items():
                value = statistics.quantiles(waits_ms, n=100)[98]
                verdict = "pass" if value <= _BAR_MS else "short"
                note = f"{kind} probe, {_CALLERS} callers of {_MODEL}; longest {max(waits_ms):.0f} ms"
                yield Row(
                    f"probe.{name}.{kind}.p99", value, _BAR_MS, verdict, "ms", quartiles(waits_ms), len(waits_ms), note
                )


def _rest_port(server: ServerProcess) -> int:
    return int(json.loads(server.ready_file.read_text())["rest_api_port"])


def _grpc_probe(running: ExitStack, target: str) -> Callable[[], object]:
    stub = health_pb2_grpc.HealthStub(running.enter_context(grpc.insecure_channel(target)))
    return lambda: stub.Check(health_pb2.HealthCheckRequest(), timeout=60)


def _rest_probe(url: str) -> Callable[[], object]:
    pool = urllib3.PoolManager()
    return lambda: pool.request("GET", f"{url}/v1/models/{_MODEL}", timeout=60)


def _measure(url: str, probes: dict[str, Callable[[], object]], seconds: float) -> dict[str, list[float]]:
    inputs = make_request(_MODEL)
    ended = threading.Event()

    def call() -> None:
        with connect(url, _MODEL, ClientOptions(check_inputs=False)) as client:
            while not ended.is_set():
                client.predict(inputs)

    callers = [threading.Thread(target=call) for _ in range(_CALLERS)]
    for caller in callers:
        caller.start()
    waits: dict[str, list[float]] = {kind: [] for kind in probes}
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        for kind, probe in probes.items():
            begin_ns = time.perf_counter_ns()
            probe()
            waits[kind].append((time.perf_counter_ns() - begin_ns) / 1e6)
        time.sleep(0.02)
    ended.set()
    for caller in callers:
        caller.join()
    return waits
