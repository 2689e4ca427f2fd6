"""The local Lambda's own floor: a function that returns at once, called through the function URL."""

import os
import statistics
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import urllib3
from rows import Effort, Row, interleave, quartiles

from serverless_dnn.bench.platforms.base import DeployOptions
from serverless_dnn.bench.platforms.lambda_ import null_function

# In base64, the last is just below Lambda's 6 MB.
_SIZES = {"0.1kB": 100, "0.6MB": 600_000, "4.5MB": 4_500_000}
_BARS_MS = {"0.1kB": 3.0}


def door_rows(effort: Effort) -> Iterator[Row]:
    """``floor.lambda_door.<bytes>``: p50 of a function that returns at once, one request at a time.

    Args:
        effort: How long to measure.
    """
    with tempfile.TemporaryDirectory() as folder, urllib3.PoolManager() as pool:
        deployment = null_function(DeployOptions("null", Path(folder), Path(folder) / "logs"))
        try:
            for label, size in _SIZES.items():
                call = partial(_post, pool, deployment.url, os.urandom(size))
                milliseconds = [seconds * 1e3 for seconds in interleave({"": call}, effort.of(300, 60), warm_up=20)[""]]
                told = deployment.invocations()[-len(milliseconds) :]
                within = statistics.median(invocation.duration_ns / 1e6 for invocation in told)
                yield _row(label, milliseconds, f"p50 of a null function, of which {within:.3g} ms are its Duration")
        finally:
            deployment.stop()


def _post(pool: urllib3.PoolManager, url: str, body: bytes) -> None:
    answer = pool.request("POST", url, body=body, headers={"Content-Type": "application/x-npy"})
    if answer.status != 200:
        raise RuntimeError(f"the null function answered {answer.status}: {answer.data[:200]!r}")


def _row(label: str, milliseconds: list[float], note: str) -> Row:
    value, spread, samples = statistics.median(milliseconds), quartiles(milliseconds), len(milliseconds)
    name = f"floor.lambda_door.{label}"
    if label not in _BARS_MS:
        return Row(name, value, 0, "n/a", "ms", spread, samples, f"no bar: {note}")
    bar = _BARS_MS[label]
    return Row(name, value, bar, "pass" if value <= bar else "short", "ms", spread, samples, note)
