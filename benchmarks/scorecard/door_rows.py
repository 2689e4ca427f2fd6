"""What each local platform takes by itself: null servers, called through the platforms' own front doors."""

import os
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import grpc
import urllib3
from identity_model import UNLIMITED
from rows import Effort, Row, interleave, quartiles

from serverless_dnn.bench.platforms import PLATFORMS
from serverless_dnn.bench.targets.base import DeployOptions, LocalTarget

_BINARY = "application/x-npy"
_REPLY_BYTES = 4000
_SMALL, _MEDIUM, _LARGE = "0.1kB", "0.6MB", "4.5MB"
_SIZES = {_SMALL: 100, _MEDIUM: 600_000, _LARGE: 4_500_000}
# The largest is just below Lambda's 6 MB once it is in base64, and above SageMaker's 4 MiB.
_LARGEST = {"sagemaker": ("4.1MB", 4_100_000)}
_BAR_MS = 3.0


def door_rows(effort: Effort) -> Iterator[Row]:
    """``floor.<platform>_door.<bytes>``: p50 of a server that answers at once, one request at a time.

    Args:
        effort: How long to measure.
    """
    for platform in PLATFORMS:
        with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
            reply = Path(folder) / "reply"
            reply.write_bytes(os.urandom(_REPLY_BYTES))
            options = DeployOptions(
                "null", Path(folder), Path(folder) / "logs", null_reply=reply, null_content_type=_BINARY
            )
            target = PLATFORMS[platform].deploy(options)
            running.callback(target.stop)
            call = _caller(running, target)
            sizes = {**_SIZES}
            if platform in _LARGEST:
                del sizes[_LARGE]
                sizes |= dict([_LARGEST[platform]])
            for label, size in sizes.items():
                send = partial(call, os.urandom(size))
                timed_ms = [seconds * 1e3 for seconds in interleave({"": send}, effort.of(300, 60), warm_up=20)[""]]
                told = target.records().invocations[-len(timed_ms) :]
                within_ms = statistics.median(invocation.duration_ns / 1e6 for invocation in told)
                note = f"p50 of a null server, of which {within_ms:.3g} ms are its instance's"
                yield _row(platform, label, timed_ms, note)


def _caller(running: ExitStack, target: LocalTarget) -> Callable[[bytes], None]:
    if target.url.startswith("grpc://"):
        channel = running.enter_context(grpc.insecure_channel(target.url.removeprefix("grpc://"), UNLIMITED))
        unary = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        return lambda body: _check(unary(body))
    pool = running.enter_context(urllib3.PoolManager())
    url = target.url
    if url.startswith("sagemaker+"):
        base, _, name = url.removeprefix("sagemaker+").rpartition("/")
        url = f"{base}/endpoints/{name}/invocations"
    return lambda body: _check(pool.request("POST", url, body=body, headers={"Content-Type": _BINARY}).data)


def _check(answer: bytes) -> None:
    if len(answer) != _REPLY_BYTES:
        raise RuntimeError(f"the null server answered {answer[:200]!r}")


def _row(platform: str, label: str, timed_ms: list[float], note: str) -> Row:
    value, spread, samples = statistics.median(timed_ms), quartiles(timed_ms), len(timed_ms)
    name = f"floor.{platform}_door.{label}"
    if label != _SMALL:
        return Row(name, value, 0, "n/a", "ms", spread, samples, f"no bar: {note}")
    return Row(name, value, _BAR_MS, "pass" if value <= _BAR_MS else "short", "ms", spread, samples, note)
