"""How much load a configuration carries: given values (a ramp), or the highest that keeps the objective (a search)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from serverless_dnn.bench.analysis.probes import Probe, judge_probe
from serverless_dnn.bench.analysis.statistics import needed_count
from serverless_dnn.bench.configuration import Quantity
from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.experiments.options import Capacity
from serverless_dnn.bench.load.arrivals import poisson
from serverless_dnn.bench.load.generators import Generators
from serverless_dnn.bench.load.samples import Sample
from serverless_dnn.bench.load.steps import ClosedLoop, OpenLoop, Step

RESOLUTION = 0.05
"""A search ends when it knows the highest value to within this share of it."""
# Twenty doublings are a million times the first value.
_MAX_DOUBLINGS = 20
# A quarter more than a p99 takes, for random arrivals are some more or fewer.
_SEARCH_REQUESTS = math.ceil(1.25 * needed_count(99))
# What takes longer to decide is not tried by a search.
_LONGEST_S = 300.0


@dataclass(frozen=True)
class Prober:
    """Tries amounts of load on a configuration.

    Attributes:
        generators: Send it.
        configuration: The configuration's label.
        quantity: What is varied.
        duration_s: How long each amount is tried.
        slo_p99_ms: The objective; ``None`` judges nothing.
        seed: Of the arrivals.
        on_samples: Gets each amount's requests.
        min_requests: How many requests each amount is tried with at least, however long that takes.
    """

    generators: Generators
    configuration: str
    quantity: Quantity
    duration_s: float
    slo_p99_ms: float | None
    seed: int
    on_samples: Callable[[Sequence[Sample]], None]
    min_requests: int = 0

    def probe(self, value: float, number: int) -> Probe:
        """Try one amount.

        Args:
            value: How much.
            number: The how manieth try it is.

        Returns:
            What it led to.
        """
        return self._probe_rate(value, number) if self.quantity == "rate" else self._probe_concurrency(value, number)

    def _probe_rate(self, rate: float, number: int) -> Probe:
        duration_s = max(self.duration_s, self.min_requests / rate)
        samples, duration_ns = self._send(OpenLoop(poisson(rate, duration_s, self.seed) or (0,)), number)
        # A generator that is late sends for longer.
        sent_s = max([duration_s, *(sample.sent_ns / 1e9 for sample in samples)])
        probe = judge_probe(self.configuration, "rate", rate, samples, duration_ns, self.slo_p99_ms)
        return replace(probe, offered_rate=len(samples) / sent_s)

    def _probe_concurrency(self, value: float, number: int) -> Probe:
        load = ClosedLoop(None, duration_s=self.duration_s, concurrency=round(value))
        samples, duration_ns = self._send(load, number)
        if (missing := self.min_requests - len(samples)) > 0:
            rest = replace(load, requests=missing, duration_s=_LONGEST_S)
            more, more_ns = self._send(rest, number, first_index=len(samples))
            samples, duration_ns = [*samples, *more], duration_ns + more_ns
        return judge_probe(self.configuration, "concurrency", value, samples, duration_ns, self.slo_p99_ms)

    def _send(self, load: OpenLoop | ClosedLoop, number: int, first_index: int = 0) -> tuple[list[Sample], int]:
        result = self.generators.run(Step(self.configuration, "open", number, load, first_index=first_index))
        self.on_samples(result.samples)
        return result.samples, result.duration_ns


def search_highest(
    try_value: Callable[[float], bool], first: float, *, whole: bool, least: float = 0.0
) -> float | None:
    """Find the highest value that is kept, if all below it are: doubling, then bisection.

    Args:
        try_value: Whether a value is kept.
        first: Where to begin.
        whole: Whether only whole numbers make sense.
        least: Nothing below is tried.

    Returns:
        The highest value that was kept, to within ``RESOLUTION``; ``None`` if not even the least that was tried is.

    Raises:
        OptionError: There is no end to what is kept.
    """
    low, high = 0.0, first
    for _ in range(_MAX_DOUBLINGS):
        if not try_value(high):
            break
        low, high = high, high * 2
    else:
        raise OptionError(f"even {low:g} keeps the objective: it is too loose to find a limit")
    least = max(least, first / 2**_MAX_DOUBLINGS)
    while high - low > max(RESOLUTION * high, 1.0 if whole else 0.0) and high > least:
        middle = float(round((low + high) / 2)) if whole else max((low + high) / 2, least)
        if try_value(middle):
            low = middle
        else:
            high = middle
    return low or None


def try_capacity(prober: Prober, capacity: Capacity) -> list[Probe]:
    """Try all values, or search for the highest that keeps the objective.

    A search tries each amount for as long as it takes to judge a p99. Given values are tried for as long as was asked
    for, and what that does not decide is undecided.

    Args:
        prober: Tries them.
        capacity: What is tried.

    Returns:
        What each amount led to, in the order in which they were tried.

    Raises:
        OptionError: The search finds no end.
    """
    probes: list[Probe] = []
    if capacity.values:
        for value in capacity.values:
            probes.append(prober.probe(value, len(probes)))
        return probes
    searching = replace(prober, min_requests=_SEARCH_REQUESTS)

    def keeps(value: float) -> bool:
        probes.append(searching.probe(value, len(probes)))
        return probes[-1].keeps_objective is True

    if capacity.quantity == "concurrency":
        search_highest(keeps, capacity.first, whole=True)
    else:
        # The lower a rate, the longer it takes: begin where the asked duration is long enough.
        first = max(capacity.first, _SEARCH_REQUESTS / capacity.duration_s)
        search_highest(keeps, first, whole=False, least=_SEARCH_REQUESTS / _LONGEST_S)
    return probes
