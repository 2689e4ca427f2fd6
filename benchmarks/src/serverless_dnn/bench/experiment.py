"""The experiment: on each platform a cold start, a warm-up, sequential requests and a burst."""

import itertools
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.load import send_at_once, send_in_sequence
from serverless_dnn.bench.platforms.base import Deployment, DeployOptions
from serverless_dnn.bench.platforms.cloudrun import LocalCloudRun
from serverless_dnn.bench.platforms.lambda_ import LocalLambda
from serverless_dnn.bench.platforms.sagemaker import LocalSageMaker
from serverless_dnn.bench.samples import Sample
from serverless_dnn.client import ClientOptions, connect

PLATFORMS: Mapping[str, Callable[[DeployOptions], Deployment]] = {
    "lambda": LocalLambda,
    "sagemaker": LocalSageMaker,
    "cloudrun": LocalCloudRun,
}
# Enough for every instance to have started, connected and run the model more than once.
WARMUP_IN_SEQUENCE = 5
MAX_DIFFERENCE = 1e-4
"""The largest difference between two platforms' outputs that still counts as the same model."""


@dataclass(frozen=True)
class PlatformResult:
    """What was measured on one platform.

    Attributes:
        samples: Every request.
        outputs: Outputs of the last warm request; ``None`` if none was answered.
    """

    samples: list[Sample]
    outputs: Mapping[str, NDArray[Any]] | None


def export_if_missing(model: str, models_folder: Path) -> Path:
    """Export the model with ``sdnn-models`` unless it is already on disk.

    Args:
        model: The model's name.
        models_folder: Holds one folder per model.

    Returns:
        The model's folder.

    Raises:
        OptionError: The export failed; its own message is on stderr.
    """
    folder = models_folder / model
    if not any(folder.glob("*/saved_model.pb")):
        # A separate process, because the benchmark itself never imports TensorFlow.
        command = ["sdnn-models", "export", model, str(models_folder)]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            raise OptionError(f"sdnn-models could not export {model} to {models_folder}")
    return folder


def requests_in_all(requests: int, instances: int) -> int:
    """How many requests one platform receives, for a progress bar.

    Args:
        requests: Requests per warm experiment.
        instances: The instance cap.

    Returns:
        The total.
    """
    return 1 + 2 * instances + WARMUP_IN_SEQUENCE + 2 * requests


def measure_platform(
    deployment: Deployment,
    inputs: Mapping[str, NDArray[Any]],
    options: DeployOptions,
    http: ClientOptions,
    requests: int,
    on_progress: Callable[[str], None],
) -> PlatformResult:
    """Run the experiment on one platform with no instance running yet.

    Args:
        deployment: The model on the platform.
        inputs: The inputs of one request.
        options: What was deployed.
        http: Options of the HTTP clients.
        requests: Requests per warm experiment.
        on_progress: Called after each request with the phase it belonged to.

    Returns:
        What was measured.

    Raises:
        StartError: The platform's server failed to start.
    """
    samples: list[Sample] = []
    name = deployment.facts.name
    begin_ns = time.perf_counter_ns()
    deployment.ensure_instance()
    started_ns = time.perf_counter_ns() - begin_ns
    over_grpc = ClientOptions(check_inputs=http.check_inputs)
    with connect(deployment.url, options.model, over_grpc if deployment.url.startswith("grpc") else http) as client:
        cold, _ = send_in_sequence(client, inputs, name, "cold", 1, lambda: on_progress("cold start"))
        # Where the front door starts instances itself, the request already includes the start.
        samples += [replace(cold[0], scheduled_ns=0, latency_ns=cold[0].latency_ns + started_ns)]
        warmup = "warm-up"
        scale_out = 2 * options.instances
        samples += send_at_once(client, inputs, name, "warmup", scale_out, lambda: on_progress(warmup))[0]
        warm, _ = send_in_sequence(client, inputs, name, "warmup", WARMUP_IN_SEQUENCE, lambda: on_progress(warmup))
        samples += [replace(sample, index=sample.index + scale_out) for sample in warm]
        in_sequence, outputs = send_in_sequence(
            client, inputs, name, "sequential", requests, lambda: on_progress("one after another")
        )
        at_once, _ = send_at_once(client, inputs, name, "burst", requests, lambda: on_progress("all at once"))
    return PlatformResult([*samples, *in_sequence, *at_once], outputs)


def compare_outputs(results: Mapping[str, PlatformResult]) -> tuple[float | None, list[str]]:
    """Compare the platforms' outputs with one another.

    Args:
        results: By platform.

    Returns:
        The largest absolute difference between any two of them (``None`` with fewer than two), and messages for outputs
        that are missing or differ by more than ``MAX_DIFFERENCE``.
    """
    reasons = [f"{name} answered no warm request" for name, result in results.items() if result.outputs is None]
    known = {name: result.outputs for name, result in results.items() if result.outputs is not None}
    largest: float | None = None
    for (one, left), (other, right) in itertools.combinations(known.items(), 2):
        shapes = [{name: array.shape for name, array in outputs.items()} for outputs in (left, right)]
        if shapes[0] != shapes[1]:
            reasons.append(f"{one} and {other} return different outputs: {shapes[0]} and {shapes[1]}")
            continue
        difference = max(float(np.max(np.abs(left[name] - right[name]), initial=0)) for name in left)
        largest = max(difference, largest or 0.0)
        # Written so that NaN counts as a difference.
        if not difference <= MAX_DIFFERENCE:
            reasons.append(f"{one} and {other} differ by {difference:.3g}, more than {MAX_DIFFERENCE:g}")
    return largest, reasons


def judge_samples(samples: Sequence[Sample]) -> list[str]:
    """Why a run's requests make it invalid.

    Args:
        samples: All samples of a run.

    Returns:
        The reasons, as messages.
    """
    reasons = []
    failed: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        if sample.status != "OK":
            failed.setdefault((sample.platform, sample.experiment), []).append(sample)
        elif sample.experiment == "cold" and not sample.cold:
            reasons.append(f"{sample.platform}: the first answer came from an instance that had answered before")
        elif sample.experiment in ("sequential", "burst") and sample.cold:
            reasons.append(f"{sample.platform}: an instance started during {sample.experiment}, after the warm-up")
    for (platform, experiment), bad in failed.items():
        reasons.append(f"{platform}: {len(bad)} of the {experiment} requests failed, the first with {bad[0].error}")
    return reasons
