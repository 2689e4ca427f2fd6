"""Whether measurements have settled, and whether there are enough of them."""

from collections.abc import Sequence

from serverless_dnn.bench.analysis.estimates import estimate
from serverless_dnn.bench.analysis.statistics import percentile

WINDOWS = 3
TOLERANCE = 0.10
"""The last three windows within 10 % of one another, as perf_analyzer's ``--stability-percentage`` has it:
https://github.com/triton-inference-server/perf_analyzer/blob/main/docs/cli.md"""

_MIN_ROUNDS = 10


def is_stable(windows: Sequence[Sequence[float]], tolerance: float = TOLERANCE) -> bool | None:
    """Whether the medians of the last three windows are within 10 % of one another.

    Args:
        windows: Measurements, in the order of time; empty windows are passed over.
        tolerance: By how much the largest median may exceed the smallest, as a share of it.

    Returns:
        Whether they are; ``None`` with fewer than three windows.
    """
    filled = [window for window in windows if window]
    if len(filled) < WINDOWS:
        return None
    medians = [percentile(window, 50) for window in filled[-WINDOWS:]]
    return max(medians) <= min(medians) * (1 + tolerance)


def windows_of(rounds: Sequence[Sequence[float]]) -> list[list[float]]:
    """Three windows of rounds, the last of which ends with the last round.

    A window of a few dozen requests differs from the next by chance; what is looked for is a drift.

    Args:
        rounds: Measurements by round, in the order of time; empty rounds are passed over.

    Returns:
        Three windows of a third of the rounds each; fewer than three rounds are a window each.
    """
    filled = [each for each in rounds if each]
    size = max(1, len(filled) // WINDOWS)
    recent = filled[-WINDOWS * size :]
    return [[value for each in recent[begin : begin + size] for value in each] for begin in range(0, len(recent), size)]


def has_settled(windows: Sequence[Sequence[float]]) -> bool:
    """Whether a warm-up has done its work.

    Args:
        windows: The latencies so far, a window of requests each, in the order of time.

    Returns:
        Whether it has; not before there are three windows.
    """
    return is_stable(windows) is True


def may_stop(rounds: Sequence[Sequence[float]], relative_width: float = 0.05) -> bool:
    """Whether the median is known well enough to stop.

    Whoever looks after every round and stops at the first narrow interval stops where it is narrow by chance, and it
    covers the median less often than it says. So it has to be narrow twice running, after ten rounds at least: the
    fewer rounds there are, the more of a spread is hidden by chance.

    Args:
        rounds: The latencies of each round so far, in the order of time.
        relative_width: How wide the median's interval may be, as a share of it.

    Returns:
        Whether it is, with the last round and without it.
    """
    return len(rounds) >= _MIN_ROUNDS and is_precise(rounds, relative_width) and is_precise(rounds[:-1], relative_width)


def is_precise(rounds: Sequence[Sequence[float]], relative_width: float = 0.05) -> bool:
    """Whether the median's interval is as narrow as was asked for.

    Args:
        rounds: The latencies of each round.
        relative_width: How wide the median's interval may be, as a share of it.

    Returns:
        Whether the interval is narrower; never where there is none.
    """
    median = estimate(dict(enumerate(rounds)), 50)
    if median is None or median.interval is None:
        return False
    return median.interval.high - median.interval.low < relative_width * median.value
