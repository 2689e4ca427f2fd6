"""Cold starts and the cost of serving, on the local platforms with real server processes."""

import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psutil
from engine_process import CACHE
from rows import Effort, Row, ratio_row

from serverless_dnn.bench.platforms import PLATFORMS
from serverless_dnn.bench.targets.base import DeployOptions, LocalTarget
from serverless_dnn.client import Client, ClientOptions, connect
from serverless_dnn.models.registry import MODELS, get_model
from serverless_dnn.models.workload import make_request
from serverless_dnn.runtime.engines.selection import load_model
from serverless_dnn.runtime.saved_model.signature import read_signatures
from serverless_dnn.runtime.settings import EngineOptions
from serverless_dnn.runtime.timing import Instance

_CONCURRENCY = 8
_SERVE_BARS = {"cloudrun": (0.85, 0.95), "sagemaker": (0.75, 0.9), "lambda": (0.6, 0.9)}
# Most of BERT's is the predictions themselves.
_COLD_BARS = {"bert_base": 3.5}
# YOLOv5's image exceeds the 4 MiB and 6 MB limits of SageMaker and Lambda; the other models' requests fit.
_TOO_LARGE = {("sagemaker", "yolo_v5s"), ("lambda", "yolo_v5s")}


@contextmanager
def _deployed(
    platform: str, model: str, models: Path, engine: str, cache: Path | None, *, warm_up: bool | None = None
) -> Iterator[LocalTarget]:
    with tempfile.TemporaryDirectory() as logs:
        options = DeployOptions(
            model,
            models / model,
            Path(logs),
            engine=engine,
            cache_folder=cache,
            warm_up=warm_up,
            # Where the platform lets it be chosen: as many as are sent.
            requests_per_instance=_CONCURRENCY,
        )
        deployment = PLATFORMS[platform].deploy(options)
        try:
            yield deployment
        finally:
            deployment.stop()


def _connect(deployment: LocalTarget, model: str) -> Client:
    json_only = get_model(model).task == "text-classification"
    if deployment.url.startswith("grpc"):
        return connect(deployment.url, model, ClientOptions(check_inputs=False))
    options = ClientOptions(
        check_inputs=False,
        body_format="protobuf" if json_only else "npy",
        output_name=get_model(model).outputs[0].name,
    )
    return connect(deployment.url, model, options)


def cold_rows(models: Path, effort: Effort) -> Iterator[Row]:
    """``cold.<platform>.<model>``: from a request without an instance to its answer.

    Args:
        models: A folder of the exported models.
        effort: How long to measure.
    """
    with tempfile.TemporaryDirectory() as cache:
        for model in MODELS:
            fill_cache(model, models, Path(cache))
            for platform in PLATFORMS:
                if (platform, model) in _TOO_LARGE:
                    continue
                timed: dict[str, list[float]] = {"tensorflow": [], "openvino": []}
                for _ in range(effort.of(3, 1)):
                    timed["tensorflow"].append(first_answer(platform, model, models, "tensorflow", None))
                    timed["openvino"].append(first_answer(platform, model, models, "openvino", Path(cache)))
                note = "TensorFlow's first answer / OpenVINO's with a warm cache"
                yield ratio_row(
                    f"cold.{platform}.{model}", timed["tensorflow"], timed["openvino"], _COLD_BARS.get(model, 5), note
                )


def fill_cache(model: str, models: Path, cache: Path) -> None:
    """Compile a model into a cache.

    Args:
        model: Its name.
        models: A folder of the exported models.
        cache: The cache.
    """
    folder = models / model / "1"
    load_model(folder, read_signatures(folder), EngineOptions(name="openvino", cache_folder=cache), Instance())


def first_answer(
    platform: str, model: str, models: Path, engine: str, cache: Path | None, *, warm_up: bool | None = None
) -> float:
    """Seconds from a request without an instance to its answer.

    Args:
        platform: The local platform.
        model: The model.
        models: A folder of the exported models.
        engine: What runs it.
        cache: Where compiled models are kept.
        warm_up: Whether the server runs the model's warm-up requests; ``None`` leaves it to the server.
    """
    inputs = make_request(model)
    with _deployed(platform, model, models, engine, cache, warm_up=warm_up) as deployment:
        begin_ns = time.perf_counter_ns()
        with _connect(deployment, model) as client:
            client.predict(inputs)
        return (time.perf_counter_ns() - begin_ns) / 1e9


def serve_rows(models: Path, effort: Effort) -> Iterator[Row]:
    """``serve.<platform>.<model>``: CPU time of a prediction in the bare engine, of that of a request in the server.

    Args:
        models: A folder of the exported models.
        effort: How long to measure.
    """
    for model in MODELS:
        folder = models / model / "1"
        signatures = read_signatures(folder)
        options = EngineOptions(name="openvino", cache_folder=CACHE)
        engine = load_model(folder, signatures, options, Instance())
        call = partial(engine.run, signatures["serving_default"], make_request(model))
        requests = (400 if model == "mobilenet_v1" else 40) // effort.of(1, 5)
        for platform, (small, others) in _SERVE_BARS.items():
            if (platform, model) in _TOO_LARGE:
                continue
            with (
                _deployed(platform, model, models, "openvino", CACHE) as deployment,
                _connect(deployment, model) as client,
            ):
                sides = _cpu_times(call, deployment, partial(client.predict, make_request(model)), requests, effort)
            bar = small if model == "mobilenet_v1" else others
            note = f"CPU time per prediction in the engine / per request in the server, concurrency {_CONCURRENCY}"
            yield ratio_row(f"serve.{platform}.{model}", *sides, bar, note)


def _cpu_times(
    call: Callable[[], object],
    deployment: LocalTarget,
    predict: Callable[[], object],
    requests: int,
    effort: Effort,
) -> tuple[list[float], list[float]]:
    """CPU seconds of a prediction in the bare engine and of a request in the server, round by round."""
    predictions = max(1, requests // effort.of(1, 4))
    bare, served = [], []
    with ThreadPoolExecutor(_CONCURRENCY) as threads:
        for number in range(1 + effort.of(3, 1)):
            begin = time.process_time()
            for _ in range(predictions):
                call()
            bare.append((time.process_time() - begin) / predictions)
            begin = _server_cpu_s(deployment)
            list(threads.map(lambda _: predict(), range(requests)))
            served.append((_server_cpu_s(deployment) - begin) / requests)
            if number == 0:
                bare.clear()
                served.clear()
    return bare, served


def _server_cpu_s(deployment: LocalTarget) -> float:
    """CPU time of the servers and what they started; whatever stands in for the platform itself is not counted."""
    total = 0.0
    for server in map(psutil.Process, deployment.server_pids()):
        for process in (server, *server.children(recursive=True)):
            times = process.cpu_times()
            total += times.user + times.system
    return total
