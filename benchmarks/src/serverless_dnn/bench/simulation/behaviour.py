"""How long instances take, as it was measured; and what a simulation draws from that."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_NONE: Floats = np.empty(0)


@dataclass(frozen=True)
class Draws:
    """What each request would take, by index.

    Attributes:
        service_s: On an instance that has answered before.
        overhead_s: On the way to the instance and back.
        start_s: Until an instance that is started for it is ready.
        start_billed_s: What is billed of that.
        first_service_s: As an instance's first request.
        first_overhead_s: Likewise.
    """

    service_s: Floats
    overhead_s: Floats
    start_s: Floats
    start_billed_s: Floats
    first_service_s: Floats
    first_overhead_s: Floats


@dataclass(frozen=True)
class Behaviour:
    """What was measured of one configuration. Times of one request belong together, and are drawn together.

    Requests that an instance computes at once slow one another down: by what was measured at that many, or else like
    processes that share the vCPUs fairly, each with the CPU time that one alone takes. Requests beyond ``workers``
    wait inside the instance, in order.

    Attributes:
        service_s: How long an instance was busy with each warm request.
        overhead_s: What the client waited beyond that.
        start_s: How long each cold start took until the instance was ready.
        start_billed_s: What was billed of that.
        first_service_s: How long the instance then took for its first request.
        first_overhead_s: What the client waited beyond both.
        cpus: An instance's vCPUs.
        cpus_per_request: How many of them one request keeps busy.
        workers: How many requests an instance computes at once; ``None`` takes all that it has.
        slowdowns: How many times as long requests take, by how many are computed at once, where that was measured.
        is_under_load: Whether the warm requests came in an open loop, and not one after another.
    """

    service_s: Floats
    overhead_s: Floats
    start_s: Floats = field(default_factory=lambda: _NONE)
    start_billed_s: Floats = field(default_factory=lambda: _NONE)
    first_service_s: Floats = field(default_factory=lambda: _NONE)
    first_overhead_s: Floats = field(default_factory=lambda: _NONE)
    cpus: float = 1.0
    cpus_per_request: float = 1.0
    workers: int | None = None
    slowdowns: tuple[tuple[int, float], ...] = ()
    is_under_load: bool = False

    @property
    def mean_service_s(self) -> float:
        """How long an instance is busy with a warm request, on average."""
        return float(np.mean(self.service_s))

    @property
    def mean_start_s(self) -> float:
        """How long a cold start takes, on average; 0 if none was measured."""
        return float(np.mean(self.start_s)) if self.start_s.size else 0.0

    def slowdown(self, computed: int) -> float:
        """How many times as long requests take when so many are computed at once.

        Args:
            computed: How many, from 1.
        """
        shared = max(1.0, computed * self.cpus_per_request / self.cpus)
        if not self.slowdowns:
            return shared
        counts, factors = zip(*sorted({1: 1.0, **dict(self.slowdowns)}.items()), strict=True)
        if computed <= counts[-1]:
            return float(np.interp(computed, counts, factors))
        return float(factors[-1] * computed / counts[-1])

    def draw(self, count: int, seed: int) -> Draws:
        """Draw from what was measured, with replacement.

        Args:
            count: For how many requests.
            seed: The same seed gives the same times.

        Returns:
            The times. Without a measured cold start an instance starts at once, and its first request is like others.
        """
        random = np.random.default_rng(seed)
        warm = random.integers(self.service_s.size, size=count)
        service_s, overhead_s = self.service_s[warm], self.overhead_s[warm]
        if not self.start_s.size:
            none = np.zeros(count)
            return Draws(service_s, overhead_s, none, none, service_s, overhead_s)
        cold = random.integers(self.start_s.size, size=count)
        return Draws(
            service_s,
            overhead_s,
            self.start_s[cold],
            self.start_billed_s[cold],
            self.first_service_s[cold],
            self.first_overhead_s[cold],
        )
