"""Forty instances, simulated from what was measured of one; and what a burst on this machine's instances came to."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from serverless_dnn.bench.analysis.joining import Request
from serverless_dnn.bench.analysis.statistics import percentile
from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.experiments.paper.evidence import Evidence
from serverless_dnn.bench.simulation.candidates import behaviour_of
from serverless_dnn.bench.simulation.scaling import (
    Scaling,
    cloud_run_scaling,
    lambda_scaling,
    local_scaling,
    sagemaker_scaling,
)
from serverless_dnn.bench.simulation.simulate import simulate

REQUESTS = 40
"""The paper's burst."""
_REPETITIONS = 50


@dataclass(frozen=True)
class Burst:
    """A burst that was simulated.

    Attributes:
        median_ms: The median latency of those that were answered, over many simulations; ``None`` if none was.
        last_ms: When the last was answered, in the middle one of the simulations.
        answered: How many were, in the middle one.
    """

    median_ms: float | None
    last_ms: float | None
    answered: int


def warm_burst(evidence: Evidence, label: str, platform: str) -> Burst | None:
    """Forty requests at once on forty warm instances.

    Args:
        evidence: A run with requests one after another.
        label: The configuration.
        platform: Its platform.

    Returns:
        What the simulation says; ``None`` without requests.
    """
    warm = evidence.requests(label)
    return _simulated(platform, warm, (), local_scaling(REQUESTS), REQUESTS) if warm else None


def cold_burst(
    warm: Sequence[Request], cold: Sequence[Request], platform: str, *, most_instances: int = REQUESTS
) -> Burst | None:
    """Forty requests at once on no instance, by the platform's rules.

    Args:
        warm: Requests one after another.
        cold: Requests for which an instance was started.
        platform: The platform.
        most_instances: The most instances that are allowed to start.

    Returns:
        What the simulation says; ``None`` without requests of both kinds.
    """
    if not warm or not cold:
        return None
    mean_start_s = float(np.mean([each.sample.latency_ns for each in cold])) / 1e9
    scaling = {
        "lambda": lambda_scaling(concurrency=most_instances),
        "sagemaker": sagemaker_scaling(max_concurrency=most_instances),
        "cloudrun": cloud_run_scaling(max_instances=most_instances, mean_start_s=mean_start_s),
    }[platform]
    return _simulated(platform, warm, cold, scaling, 0)


def _simulated(
    platform: str, warm: Sequence[Request], cold: Sequence[Request], scaling: Scaling, warm_instances: int
) -> Burst | None:
    try:
        behaviour = behaviour_of(platform, warm, cold)
    except OptionError:
        return None
    outcomes = [
        simulate(np.zeros(REQUESTS), behaviour, scaling, warm_instances=warm_instances, seed=seed)
        for seed in range(_REPETITIONS)
    ]
    answered = [outcome.latencies_s[~outcome.refused] * 1e3 for outcome in outcomes]
    every = np.concatenate(answered).tolist()
    return Burst(
        percentile(every, 50) if every else None,
        percentile([float(np.max(each)) for each in answered if each.size], 50) if every else None,
        round(percentile([each.size for each in answered], 50)),
    )
