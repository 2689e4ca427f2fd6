"""Percentiles and their uncertainty; pure functions over the latencies of successful requests."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """An interval that contains the true value with a stated confidence.

    Attributes:
        low: Its lower end.
        high: Its upper end.
    """

    low: float
    high: float


def percentile(values: Sequence[float], percent: float) -> float:
    """A nearest-rank percentile: the smallest value that at least ``percent`` % of the values do not exceed.

    It is always a measured value (Hyndman and Fan, 1996, definition 1).

    Args:
        values: At least one, in any order.
        percent: Above 0, at most 100.

    Returns:
        The percentile.

    Raises:
        ValueError: No values, or ``percent`` out of range.
    """
    if not values or not 0 < percent <= 100:
        raise ValueError(f"need values and a percent above 0 up to 100, got {len(values)} values and {percent}")
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


def median_interval(values: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """An interval for the median that assumes nothing about the distribution.

    The number of values below the true median is binomial, so two order statistics enclose it (Le Boudec, "Performance
    Evaluation of Computer and Communication Systems", theorem 2.1).

    Args:
        values: Independent measurements, in any order.
        confidence: The minimum probability of containing the median.

    Returns:
        The narrowest symmetric interval; ``None`` if there are too few values for that confidence.
    """
    count, ordered = len(values), sorted(values)
    outside = 0.0
    rank = 0
    while rank < count // 2:
        outside += 2 * math.comb(count, rank) / 2**count
        if outside > 1 - confidence:
            break
        rank += 1
    return Interval(ordered[rank - 1], ordered[count - rank]) if rank else None
