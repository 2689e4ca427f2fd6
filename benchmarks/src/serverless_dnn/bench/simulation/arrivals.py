"""A day's arrivals, whose rate follows the sun; pure and seeded. Other patterns are those of ``load.arrivals``."""

import math

import numpy as np

from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.load.arrivals import MAX_REQUESTS
from serverless_dnn.bench.simulation.behaviour import Floats

DAY_S = 86_400.0
DEFAULT_PEAK_TO_MEAN = 1.8


def diurnal_rate(mean_rate: float, peak_to_mean: float, time_s: Floats) -> Floats:
    """The rate of a sinusoidal day, lowest at its begin and highest after half of it.

    Args:
        mean_rate: Requests a second, on average.
        peak_to_mean: The highest rate as a multiple of that.
        time_s: At these times.

    Returns:
        Requests a second.
    """
    return mean_rate * (1 - (peak_to_mean - 1) * np.cos(2 * math.pi * time_s / DAY_S))


def diurnal(mean_rate: float, peak_to_mean: float, seed: int, begin_s: float = 0.0, end_s: float = DAY_S) -> Floats:
    """Requests that know nothing of one another, at a rate that follows the day.

    They are thinned from those of the highest rate (Lewis and Shedler, "Simulation of nonhomogeneous Poisson processes
    by thinning", 1979).

    Args:
        mean_rate: Requests a second, on average.
        peak_to_mean: The highest rate as a multiple of that, from 1 to 2: beyond it a sinusoid would be negative.
        seed: The same seed gives the same arrivals.
        begin_s: The first time of day.
        end_s: The last; days may be many.

    Returns:
        When each is due, in seconds from the begin of the day.

    Raises:
        OptionError: The rate or the ratio cannot be used, or there would be too many requests.
    """
    if not (0 < mean_rate < math.inf and 1 <= peak_to_mean <= 2):
        raise OptionError(
            f"expected a rate above 0 and a peak of 1 to 2 times it, got {mean_rate:g} requests/s and {peak_to_mean:g}"
        )
    random = np.random.default_rng(seed)
    # The highest rate of the period itself, so that its quiet hours waste nothing.
    highest = float(np.max(diurnal_rate(mean_rate, peak_to_mean, np.linspace(begin_s, end_s, 1000)))) * 1.001
    expected = highest * (end_s - begin_s)
    if expected > MAX_REQUESTS:
        raise OptionError(f"{mean_rate:g} requests/s for {end_s - begin_s:g} s are more than {MAX_REQUESTS} requests")
    times_s = begin_s + np.sort(random.random(random.poisson(expected))) * (end_s - begin_s)
    kept = random.random(times_s.size) * highest < diurnal_rate(mean_rate, peak_to_mean, times_s)
    return times_s[kept]
