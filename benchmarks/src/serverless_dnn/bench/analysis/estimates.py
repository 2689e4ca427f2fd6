"""Estimates over the rounds of a run, with intervals that cover what differs from round to round.

The requests of one round share its circumstances: what else the machine did, where memory came to lie, which instance
answered. Their order statistics alone would call a median certain that the next round does not confirm.
"""

import math
import statistics
from collections.abc import Mapping, Sequence

from scipy.special import ndtri  # type: ignore[import-untyped]

from serverless_dnn.bench.analysis.results import Estimate
from serverless_dnn.bench.analysis.statistics import (
    Interval,
    geometric_interval,
    geometric_mean,
    is_carried,
    percentile,
    percentile_interval,
    welch_ratio_interval,
)

Rounds = Mapping[int, Sequence[float]]
"""Measurements by round."""
MIN_PAIRED_ROUNDS = 3


def estimate(rounds: Rounds, percent: float) -> Estimate | None:
    """A percentile of all rounds' values.

    The median's interval is the hull of two: that of the order statistics of all values, and Student's over the medians
    of the rounds. Simulated with rounds that are uniformly up to 30 % off, it covers the median in 94 % of runs of ten
    rounds, and in 92 % of three. Where each round holds one value, the former has the spread between rounds in it
    already.

    Rounds are often too small to have another percentile of their own. Its interval is that of the order statistics,
    widened on either side by what is not known of the rounds' medians: of their mean, and, as far out as the percentile
    is, of their spread. Simulated with ten rounds of 40 requests, it covers the p99 in nearly all runs, and in 93 % of
    them where rounds differ three times as much as requests do.

    Args:
        rounds: Measurements by round; the rounds are independent of one another.
        percent: Above 0, below 100.

    Returns:
        The estimate, its interval ``None`` with a single round or too few values; ``None`` for no values, or for a
        percentile above the median that they do not carry.
    """
    values = [value for each in rounds.values() for value in each]
    if not values or (percent > 50 and not is_carried(len(values), percent)):
        return None
    return Estimate(percentile(values, percent), _interval(rounds, values, percent), len(values))


def paired_ratio(rounds: Rounds, baseline: Rounds, percent: float = 50) -> Estimate | None:
    """How many times as large a percentile is as that of a baseline measured in the same, interleaved rounds.

    What slows a whole round down slows both, and cancels out: Student's interval over the logarithms of the rounds'
    ratios.

    Args:
        rounds: Measurements by round.
        baseline: Those of the baseline.
        percent: Which percentile.

    Returns:
        The geometric mean of the rounds' ratios, its interval ``None`` with fewer than three common rounds; ``None``
        with no common round.
    """
    ours, theirs = round_percentiles(rounds, percent), round_percentiles(baseline, percent)
    ratios = [ours[each] / theirs[each] for each in ours if theirs.get(each, 0) > 0 and ours[each] > 0]
    if not ratios:
        return None
    interval = geometric_interval(ratios) if len(ratios) >= MIN_PAIRED_ROUNDS else None
    return Estimate(geometric_mean(ratios), interval, len(ratios))


def unpaired_ratio(before: Rounds, after: Rounds, percent: float = 50) -> Estimate | None:
    """How many times as large a percentile is in another run.

    Args:
        before: Measurements by round.
        after: Those of the other run.
        percent: Which percentile.

    Returns:
        The ratio of the geometric means of the rounds' percentiles, its interval ``None`` with fewer than two rounds on
        either side; ``None`` where a side has no round that is large enough.
    """
    old = list(round_percentiles(before, percent).values())
    new = list(round_percentiles(after, percent).values())
    if not old or not new or min(*old, *new) <= 0:
        return None
    return Estimate(geometric_mean(new) / geometric_mean(old), welch_ratio_interval(old, new), min(len(old), len(new)))


def round_percentiles(rounds: Rounds, percent: float) -> dict[int, float]:
    """A percentile of each round that is large enough to have one.

    Args:
        rounds: Measurements by round.
        percent: Above 0, below 100.

    Returns:
        The percentiles by round. A round must hold so many values that one is expected beyond the percentile, or that
        one value: 1 for the median, 20 for p95, 100 for p99. The median of an even number is the mean of the two middle
        values: the lower one of each round would make all rounds' mean too low, and its interval miss.
    """
    if percent == 50:
        return {each: float(statistics.median(values)) for each, values in rounds.items() if values}
    needed = 1 / min(percent / 100, 1 - percent / 100)
    # A float such as 1 / (1 - 0.95) is just above 20.
    return {
        each: percentile(values, percent) for each, values in rounds.items() if values and len(values) > needed - 0.5
    }


def _interval(rounds: Rounds, values: Sequence[float], percent: float) -> Interval | None:
    within = percentile_interval(values, percent)
    filled = {each: values for each, values in rounds.items() if values}
    if within is None or len(filled) < 2:
        return None
    if all(len(each) == 1 for each in filled.values()):
        return within
    medians = list(round_percentiles(filled, 50).values())
    between = geometric_interval(medians)
    if between is None:
        return None
    if percent == 50:
        return within.hull(between)
    # The mean of n logarithms plus z standard deviations is so many times as uncertain as their mean alone.
    times = math.sqrt(1 + float(ndtri(percent / 100)) ** 2 * len(medians) / (2 * (len(medians) - 1)))
    center = geometric_mean(medians)
    return Interval(within.low * (between.low / center) ** times, within.high * (between.high / center) ** times)
