"""The load that advice is for, and the windows of it that are simulated.

A month of 10,000 requests a second is 26 thousand million requests. What is too much to be simulated whole is
represented by windows: each begins with as many instances as its rate usually keeps, runs until they have settled, and
only then counts. What is small enough is simulated whole.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np

from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.load.arrivals import constant, poisson
from serverless_dnn.bench.simulation.arrivals import DAY_S, DEFAULT_PEAK_TO_MEAN, diurnal, diurnal_rate
from serverless_dnn.bench.simulation.behaviour import Floats

MONTH_S = 730 * 3600.0
"""The month of the clouds' own price calculators."""
_SLICES = 24
_MOST_SETTLING = 30_000
_WHOLE = 5
"""A trace of at most so many times the requests that are to count is simulated whole."""


@dataclass(frozen=True)
class Window:
    """A stretch of load.

    Attributes:
        arrivals_s: When each request is due, from the begin of the window.
        first_counted: The index of the first request that counts; those before let the instances settle.
        usual_rate: Requests a second before the window; ``None`` if it begins without instances.
        share: The share of all requests that those which count stand for.
        time_share: The share of all time that the window stands for.
    """

    arrivals_s: Floats
    first_counted: int
    usual_rate: float | None
    share: float
    time_share: float


class Demand(Protocol):
    """A load that goes on for months."""

    @property
    def rate(self) -> float:
        """Requests a second, on average."""
        ...

    @property
    def text(self) -> str:
        """What it is, as in a sentence."""
        ...

    def at(self, rate: float) -> "Demand":
        """The same load at another rate.

        Args:
            rate: Requests a second, on average.
        """
        ...

    def windows(self, requests: int, settle_s: float, seed: int) -> Sequence[Window]:
        """What is simulated of it.

        Args:
            requests: About how many requests are to count.
            settle_s: How long instances take to settle.
            seed: The same seed gives the same windows.
        """
        ...


def _check_rate(rate: float) -> None:
    if not 0 < rate < math.inf:
        raise OptionError(f"expected a rate above 0, got {rate:g} requests/s")


def _per_second(rate: float) -> str:
    return f"{rate:,g} request{'' if rate == 1 else 's'}/s"


def _settling(rate: float, settle_s: float) -> int:
    return min(_MOST_SETTLING, math.ceil(rate * settle_s))


@dataclass(frozen=True)
class SteadyDemand:
    """The same rate day and night.

    Attributes:
        rate: Requests a second.
        is_random: Whether requests come at random, or at equal intervals.
    """

    rate: float
    is_random: bool = True

    def __post_init__(self) -> None:
        _check_rate(self.rate)

    @property
    def text(self) -> str:
        """What it is, as in a sentence."""
        return f"{_per_second(self.rate)}, {'Poisson' if self.is_random else 'evenly spaced'}"

    def at(self, rate: float) -> Self:
        """The same load at another rate; see ``Demand.at``."""
        return replace(self, rate=rate)

    def windows(self, requests: int, settle_s: float, seed: int) -> Sequence[Window]:
        """One window; see ``Demand.windows``."""
        settling = max(requests // 10, _settling(self.rate, settle_s))
        duration_s = (requests + settling) / self.rate
        due_ns = poisson(self.rate, duration_s, seed) if self.is_random else constant(self.rate, duration_s)
        return (Window(np.array(due_ns, dtype=np.float64) / 1e9, settling, self.rate, 1.0, 1.0),)


@dataclass(frozen=True)
class DiurnalDemand:
    """A day whose rate follows a sinusoid.

    Attributes:
        rate: Requests a second, on average.
        peak_to_mean: The highest rate as a multiple of that.
    """

    rate: float
    peak_to_mean: float = DEFAULT_PEAK_TO_MEAN

    def __post_init__(self) -> None:
        _check_rate(self.rate)

    @property
    def text(self) -> str:
        """What it is, as in a sentence."""
        return f"{_per_second(self.rate)} over the day, up to {self.rate * self.peak_to_mean:,g}"

    def at(self, rate: float) -> Self:
        """The same day at another rate; see ``Demand.at``."""
        return replace(self, rate=rate)

    def windows(self, requests: int, settle_s: float, seed: int) -> Sequence[Window]:
        """Whole days, or a slice of each hour; see ``Demand.windows``."""
        if self.rate * DAY_S <= requests:
            days = max(1, round(requests / (self.rate * DAY_S)))
            return (Window(diurnal(self.rate, self.peak_to_mean, seed, end_s=days * DAY_S), 0, None, 1.0, 1.0),)
        # The second half of the day is the first one backwards.
        middles_s = (np.arange(_SLICES // 2) + 0.5) * DAY_S / _SLICES
        rates = diurnal_rate(self.rate, self.peak_to_mean, middles_s)
        windows = []
        for number, (middle_s, rate) in enumerate(zip(middles_s.tolist(), rates.tolist(), strict=True)):
            counted_s = min(2 * requests / _SLICES / rate, DAY_S / _SLICES)
            begin_s, end_s = middle_s - settle_s - counted_s / 2, middle_s + counted_s / 2
            arrivals_s = diurnal(self.rate, self.peak_to_mean, seed + number, begin_s, end_s) - begin_s
            first = int(np.searchsorted(arrivals_s, settle_s))
            if first < arrivals_s.size:
                share = rate / float(np.sum(rates))
                windows.append(Window(arrivals_s, first, rate, share, 1 / rates.size))
        return windows


@dataclass(frozen=True, eq=False)
class RecordedDemand:
    """A recorded trace, which repeats.

    Attributes:
        arrivals_s: When each of its requests is due, in order.
        name: Where it comes from.
    """

    arrivals_s: Floats
    name: str = "the recorded trace"

    def __post_init__(self) -> None:
        if self.arrivals_s.size < 2 or not self.arrivals_s[-1] > 0:
            raise OptionError(f"{self.name} needs at least two requests at different times")

    @property
    def rate(self) -> float:
        """Requests a second, on average."""
        return self.arrivals_s.size / float(self.arrivals_s[-1])

    @property
    def text(self) -> str:
        """What it is, as in a sentence."""
        return f"{self.name}, {self.rate:.3g} requests/s on average"

    def at(self, rate: float) -> Self:
        """The same trace, faster or slower; see ``Demand.at``."""
        return replace(self, arrivals_s=self.arrivals_s * (self.rate / rate))

    def windows(self, requests: int, settle_s: float, seed: int) -> Sequence[Window]:  # noqa: ARG002 - a trace is not random
        """The whole trace, or slices of it; see ``Demand.windows``."""
        count = self.arrivals_s.size
        if count <= _WHOLE * requests:
            return (Window(self.arrivals_s, 0, None, 1.0, 1.0),)
        windows = []
        size = max(1, requests // _SLICES)
        lasts = np.arange(1, _SLICES + 1) * count // _SLICES - 1
        ends_s = np.concatenate(([0.0], self.arrivals_s[lasts]))
        for number in range(_SLICES):
            # Slices of equal shares of the requests: busy times get more of them.
            begin = (2 * number + 1) * count // (2 * _SLICES) - size // 2
            since_s = max(0.0, float(self.arrivals_s[begin]) - settle_s)
            settling = max(int(np.searchsorted(self.arrivals_s, since_s)), begin - _MOST_SETTLING)
            times_s = self.arrivals_s[settling : begin + size]
            span_s = float(times_s[-1] - times_s[0])
            rate = times_s.size / span_s if span_s > 0 else self.rate
            time_share = float(ends_s[number + 1] - ends_s[number]) / float(ends_s[-1])
            windows.append(Window(times_s - times_s[0], begin - settling, rate, 1 / _SLICES, time_share))
        return windows
