"""Percentiles and ratios, and how well they are known; textbook statistics over plain numbers.

Sources: Le Boudec, "Performance Evaluation of Computer and Communication Systems" (2010), chapter 2, for intervals by
order statistics and for means of independent rounds; Hyndman and Fan, "Sample Quantiles in Statistical Packages"
(1996), for the definition of a percentile; Welch, "The generalization of Student's problem" (1947), for two runs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Half of a second lighter to import than scipy.stats.
from scipy.special import bdtr, stdtrit  # type: ignore[import-untyped]

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """An interval that contains the true value with a stated confidence.

    Attributes:
        low: Its lower end.
        high: Its upper end.
    """

    low: float
    high: float

    def hull(self, other: "Interval") -> "Interval":
        """The smallest interval that contains both.

        Args:
            other: The other one.
        """
        return Interval(min(self.low, other.low), max(self.high, other.high))

    def overlaps(self, other: "Interval") -> bool:
        """Whether they have a value in common.

        Args:
            other: The other one.
        """
        return self.low <= other.high and other.low <= self.high


def percentile(values: Sequence[float], percent: float) -> float:
    """A nearest-rank percentile: the smallest value that at least ``percent`` % of the values do not exceed.

    It is always a measured value (Hyndman and Fan, definition 1).

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


def percentile_interval(values: Sequence[float], percent: float, confidence: float = CONFIDENCE) -> Interval | None:
    """An interval for a percentile that assumes nothing about the distribution.

    How many values do not exceed the true percentile is binomial, so two order statistics enclose it (Le Boudec,
    theorem 2.1), each end with half of the error.

    Args:
        values: Independent measurements, in any order.
        percent: Above 0, below 100.
        confidence: The minimum probability of containing the percentile.

    Returns:
        The interval; ``None`` if there are too few values: with 95 % the median needs 6, p95 72 and p99 368.
    """
    ranks = _ranks(len(values), percent, confidence)
    if ranks is None:
        return None
    ordered = sorted(values)
    return Interval(ordered[ranks[0] - 1], ordered[ranks[1] - 1])


def is_carried(count: int, percent: float, confidence: float = CONFIDENCE) -> bool:
    """Whether so many values say anything about a percentile; the p99 of 40 values is but their maximum.

    Args:
        count: How many values.
        percent: Above 0, below 100.
        confidence: The confidence of the interval that they must give.
    """
    return _ranks(count, percent, confidence) is not None


def needed_count(percent: float, confidence: float = CONFIDENCE) -> int:
    """The fewest values that carry a percentile; see ``is_carried``.

    Args:
        percent: Above 0, below 100.
        confidence: The confidence of the interval that they must give.
    """
    # So many that they are not all on the same side of the percentile.
    return math.ceil(math.log((1 - confidence) / 2) / math.log(max(percent, 100 - percent) / 100))


def geometric_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """Student's interval for the geometric mean: that of the logarithms.

    Times and their ratios differ by factors rather than by terms, and are never negative.

    Args:
        values: Independent measurements.
        confidence: The probability of containing the mean.

    Returns:
        The interval; ``None`` with fewer than two values, or one that is not above 0.
    """
    if len(values) < 2 or min(values) <= 0:
        return None
    logs = np.log(values)
    return _exponential(float(np.mean(logs)), _standard_error(logs), len(values) - 1, confidence)


def geometric_mean(values: Sequence[float]) -> float:
    """The geometric mean.

    Args:
        values: At least one, all above 0.
    """
    return float(np.exp(np.mean(np.log(values))))


def welch_ratio_interval(
    before: Sequence[float], after: Sequence[float], confidence: float = CONFIDENCE
) -> Interval | None:
    """Welch's interval for how many times as large the geometric mean of other measurements is.

    Args:
        before: Independent measurements.
        after: Others, not paired with them.
        confidence: The probability of containing the ratio.

    Returns:
        The interval; ``None`` with fewer than two on either side, or one that is not above 0.
    """
    if min(len(before), len(after)) < 2 or min(*before, *after) <= 0:
        return None
    logs_before, logs_after = np.log(before), np.log(after)
    center = float(np.mean(logs_after) - np.mean(logs_before))
    errors = _standard_error(logs_before), _standard_error(logs_after)
    total = errors[0] ** 2 + errors[1] ** 2
    if total == 0:
        return Interval(math.exp(center), math.exp(center))
    # Welch and Satterthwaite, in shares of the total so that tiny variances do not underflow.
    shares = errors[0] ** 2 / total, errors[1] ** 2 / total
    degrees = 1 / (shares[0] ** 2 / (len(before) - 1) + shares[1] ** 2 / (len(after) - 1))
    return _exponential(center, math.sqrt(total), degrees, confidence)


def _ranks(count: int, percent: float, confidence: float) -> tuple[int, int] | None:
    """The ranks, from 1, of the two values that enclose the percentile."""
    if not count or not 0 < percent < 100:
        return None
    at_most = bdtr(np.arange(count + 1), count, percent / 100)
    tail = (1 - confidence) / 2
    low, high = int(np.searchsorted(at_most, tail)), int(np.searchsorted(at_most, 1 - tail)) + 1
    return (low, high) if low >= 1 and high <= count else None


def _standard_error(values: "np.typing.NDArray[np.float64]") -> float:
    return float(np.std(values, ddof=1)) / math.sqrt(len(values))


def _exponential(center: float, error: float, degrees: float, confidence: float) -> Interval:
    margin = float(stdtrit(degrees, (1 + confidence) / 2)) * error
    return Interval(math.exp(center - margin), math.exp(center + margin))
