"""How far a simulation is from what this machine really did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from serverless_dnn.bench.analysis.statistics import is_carried, percentile
from serverless_dnn.bench.simulation.behaviour import Behaviour, Floats
from serverless_dnn.bench.simulation.local_machine import simulate_here
from serverless_dnn.bench.simulation.scaling import Scaling

Pattern = Literal["burst", "open", "cold"]
Basis = Literal["closed", "loaded"]
TOLERANCE = 0.20
REPETITIONS = 50
"""A real run is one of many that the load can lead to; a simulation takes the middle of so many."""


@dataclass(frozen=True)
class MeasuredRound:
    """A load that was really sent, and what its simulation is fed with.

    Attributes:
        arrivals_s: When each request was due, in order.
        latencies_ms: What was measured of those that were answered.
        behaviour: Measured apart from this load, so that nothing is predicted from itself.
    """

    arrivals_s: Floats
    latencies_ms: Sequence[float]
    behaviour: Behaviour


@dataclass(frozen=True)
class Comparison:
    """A percentile, predicted and measured.

    Attributes:
        pattern: How the load came.
        basis: What the simulation was fed with: requests one after another (``closed``), or service times of another
            round under the same load (``loaded``).
        percent: Which percentile.
        predicted_ms: The median over repeated simulations.
        measured_ms: That of the real run.
        measured: How many requests were measured.
    """

    pattern: Pattern
    basis: Basis
    percent: float
    predicted_ms: float
    measured_ms: float
    measured: int

    @property
    def error(self) -> float:
        """By which share of the measured value the prediction is too high; below 0 it is too low."""
        return self.predicted_ms / self.measured_ms - 1

    @property
    def is_close(self) -> bool:
        """Whether the error is within the tolerance."""
        return abs(self.error) <= TOLERANCE

    @property
    def decides(self) -> bool:
        """Whether it takes part in the verdict: each load once, predicted from the best that ``advise`` can be given.

        Requests one after another do not tell how long those of an open loop take where cores are shared.
        """
        return (self.pattern, self.basis) != ("open", "closed")

    @property
    def is_carried(self) -> bool:
        """Whether the measured count says anything about this percentile."""
        return is_carried(self.measured, self.percent)


@dataclass(frozen=True)
class PlatformValidation:
    """A platform's predictions, compared.

    Attributes:
        platform: Its name.
        instances: The most instances.
        rate: Requests a second of the open loop.
        findings: The codes of what the runs found doubtful or invalid.
        comparisons: The comparisons.
    """

    platform: str
    instances: int
    rate: float
    findings: tuple[str, ...]
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True)
class Validation:
    """All predictions, compared.

    Attributes:
        model: The model.
        seed: Of everything random.
        quick: Whether with fewer requests and rounds.
        machine: See ``machine.describe_machine``.
        cores: How many cores everything shared.
        platforms: The platforms.
    """

    model: str
    seed: int
    quick: bool
    machine: Mapping[str, Any]
    cores: int
    platforms: tuple[PlatformValidation, ...]

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """All comparisons."""
        return tuple(each for platform in self.platforms for each in platform.comparisons)

    @property
    def is_passed(self) -> bool:
        """Whether all predictions that decide are within the tolerance, and there is one."""
        decisive = [each.is_close for each in self.comparisons if each.decides]
        return bool(decisive) and all(decisive)


def compare(  # noqa: PLR0913 - a load, a platform, and what it really did
    pattern: Pattern,
    basis: Basis,
    rounds: Sequence[MeasuredRound],
    scaling: Scaling,
    cores: int,
    *,
    warm_instances: int = 0,
    seed: int = 0,
) -> tuple[Comparison, ...]:
    """Simulate a load that was really sent, and compare; the percentiles are of all rounds together, in both.

    Args:
        pattern: How the load came.
        basis: What the simulation is fed with.
        rounds: What was sent and measured.
        scaling: The rules of the platform that it was sent to.
        cores: How many cores everything shared.
        warm_instances: How many instances ran when each round began.
        seed: The same seed gives the same prediction.

    Returns:
        The median and the 99th percentile.

    Raises:
        ValueError: Nothing was measured.
    """
    measured_ms = [value for each in rounds for value in each.latencies_ms]
    if not measured_ms:
        raise ValueError(f"nothing was measured of the load {pattern!r}")

    def simulated_ms(repetition: int) -> list[float]:
        seeds = range(seed + repetition * len(rounds), seed + (repetition + 1) * len(rounds))
        latencies_s = [
            simulate_here(
                each.arrivals_s, each.behaviour, scaling, cores, warm_instances=warm_instances, seed=round_seed
            )
            for each, round_seed in zip(rounds, seeds, strict=True)
        ]
        values: list[float] = (np.concatenate(latencies_s) * 1e3).tolist()
        return values

    repeated_ms = [simulated_ms(repetition) for repetition in range(REPETITIONS)]
    return tuple(
        Comparison(
            pattern,
            basis,
            percent,
            predicted_ms=float(np.median([percentile(each, percent) for each in repeated_ms])),
            measured_ms=percentile(measured_ms, percent),
            measured=len(measured_ms),
        )
        for percent in (50.0, 99.0)
    )
