"""What a simulation found: every request, and every instance."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serverless_dnn.bench.simulation.behaviour import Draws, Floats

NO_INSTANCE = -1


@dataclass(frozen=True)
class Outcome:
    """What became of each request and of each instance; times count from the start.

    Attributes:
        arrivals_s: When each request was due.
        begins_s: When a running instance had it; not a number if it was refused.
        ends_s: When the instance had answered; likewise.
        latencies_s: End to end, with what lies between client and instance; likewise.
        cold: Whether it was its instance's first request.
        instances: Which instance answered; ``NO_INSTANCE`` if it was refused.
        starts_s: When the start of each instance began.
        ready_s: When it was ready.
        stops_s: When it was stopped; infinite if it still ran.
        starts_billed_s: What is billed of its start.
    """

    arrivals_s: Floats
    begins_s: Floats
    ends_s: Floats
    latencies_s: Floats
    cold: NDArray[np.bool_]
    instances: NDArray[np.int64]
    starts_s: Floats
    ready_s: Floats
    stops_s: Floats
    starts_billed_s: Floats

    @property
    def refused(self) -> NDArray[np.bool_]:
        """Whether each request was refused."""
        return np.equal(self.instances, NO_INSTANCE)

    @property
    def waits_s(self) -> Floats:
        """How long each request waited for a running instance; not a number if it was refused."""
        return self.begins_s - self.arrivals_s

    def instance_counts(self, times_s: Floats) -> NDArray[np.int64]:
        """How many instances there were, those that were starting included.

        Args:
            times_s: At these times.
        """
        begun = np.searchsorted(np.sort(self.starts_s), times_s, side="right")
        gone = np.searchsorted(np.sort(self.stops_s), times_s, side="right")
        return (begun - gone).astype(np.int64)

    def running_s(self, begin_s: float, end_s: float) -> float:
        """How long all instances ran within a period, in sum.

        Args:
            begin_s: Its begin.
            end_s: Its end.
        """
        return float(np.sum(np.maximum(0.0, np.minimum(self.stops_s, end_s) - np.maximum(self.starts_s, begin_s))))


class Recorder:
    """Collects an outcome, request by request.

    Args:
        arrivals_s: When each request is due.
        draws: What each would take.
    """

    def __init__(self, arrivals_s: Floats, draws: Draws) -> None:
        count = arrivals_s.size
        self._arrivals_s, self._draws = arrivals_s, draws
        self.begins_s = [math.nan] * count
        self.ends_s = [math.nan] * count
        self.cold = [False] * count
        self.instances = [NO_INSTANCE] * count
        self.starts_s: list[float] = []
        self.ready_s: list[float] = []
        self.stops_s: list[float] = []
        self._starts_billed_s: list[float] = []

    def add_instance(self, start_s: float, ready_s: float, billed_s: float) -> int:
        """Note an instance.

        Args:
            start_s: When its start begins.
            ready_s: When it will be ready.
            billed_s: What is billed of its start.

        Returns:
            Its number.
        """
        self.starts_s.append(start_s)
        self.ready_s.append(ready_s)
        self.stops_s.append(math.inf)
        self._starts_billed_s.append(billed_s)
        return len(self.starts_s) - 1

    def outcome(self) -> Outcome:
        """What was collected."""
        cold, ends_s = np.array(self.cold, dtype=bool), np.array(self.ends_s)
        overhead_s = np.where(cold, self._draws.first_overhead_s, self._draws.overhead_s)
        return Outcome(
            arrivals_s=self._arrivals_s,
            begins_s=np.array(self.begins_s),
            ends_s=ends_s,
            latencies_s=ends_s - self._arrivals_s + overhead_s,
            cold=cold,
            instances=np.array(self.instances, dtype=np.int64),
            starts_s=np.array(self.starts_s),
            ready_s=np.array(self.ready_s),
            stops_s=np.array(self.stops_s),
            starts_billed_s=np.array(self._starts_billed_s),
        )
