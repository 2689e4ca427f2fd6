"""When requests are due; pure and seeded."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from serverless_dnn.bench.errors import OptionError

MAX_REQUESTS = 10_000_000
"""More than this is a slip of the pen, and would not fit in memory."""


def burst(requests: int) -> tuple[int, ...]:
    """All requests at the same instant, as the paper's 40 and 48.

    Args:
        requests: How many.

    Returns:
        When each is due, in nanoseconds from the start.
    """
    return (0,) * requests


def constant(rate: float, duration_s: float) -> tuple[int, ...]:
    """Requests at equal intervals.

    Args:
        rate: Requests a second.
        duration_s: For how long.

    Returns:
        When each is due, in nanoseconds from the start.

    Raises:
        OptionError: The rate or the duration is not above 0, or there would be too many requests.
    """
    count = _expected(rate, duration_s)
    return tuple(round(index * 1e9 / rate) for index in range(math.ceil(count - 1e-9)))


def poisson(rate: float, duration_s: float, seed: int) -> tuple[int, ...]:
    """Requests that know nothing of one another: exponential intervals.

    Args:
        rate: Requests a second, on average.
        duration_s: For how long.
        seed: The same seed gives the same arrivals.

    Returns:
        When each is due, in nanoseconds from the start.

    Raises:
        OptionError: The rate or the duration is not above 0, or there would be too many requests.
    """
    expected = _expected(rate, duration_s)
    random = np.random.default_rng(seed)
    times_s = np.cumsum(random.exponential(1 / rate, math.ceil(expected + 10 * math.sqrt(expected) + 10)))
    return tuple(int(time_ns) for time_ns in np.rint(times_s[times_s < duration_s] * 1e9))


def recorded(path: Path) -> tuple[int, ...]:
    """Requests at intervals that were recorded elsewhere.

    Args:
        path: A text file with one interval in seconds on each line; the first request is due after the first interval.

    Returns:
        When each is due, in nanoseconds from the start.

    Raises:
        OptionError: The file cannot be read, or a line is no interval.
    """
    try:
        lines = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"cannot read the intervals in {path}: {error}") from None
    if not lines or len(lines) > MAX_REQUESTS:
        raise OptionError(f"{path} holds {len(lines)} intervals: expected 1 to {MAX_REQUESTS}")
    total_s, due = 0.0, []
    for number, line in enumerate(lines, 1):
        try:
            interval_s = float(line)
        except ValueError:
            interval_s = math.nan
        if not 0 <= interval_s < math.inf:
            raise OptionError(f"{path}, interval {number}: expected seconds, 0 or more, got {line!r}")
        total_s += interval_s
        due.append(round(total_s * 1e9))
    return tuple(due)


def part_of(arrivals_ns: Sequence[int], parts: int, number: int) -> tuple[int, ...]:
    """One of several parts of a recording that follow one another and have about as many requests each.

    Args:
        arrivals_ns: When each request is due.
        parts: How many parts.
        number: Which part, from 0.

    Returns:
        When each of the part's requests is due, from the part's own start: every interval stays as it was recorded.
    """
    begin, end = (len(arrivals_ns) * each // parts for each in (number, number + 1))
    begin_ns = arrivals_ns[begin - 1] if begin else 0
    return tuple(due_ns - begin_ns for due_ns in arrivals_ns[begin:end])


def split(arrivals_ns: Sequence[int], parts: int) -> list[tuple[int, ...]]:
    """Divide arrivals among generators, in turn.

    Args:
        arrivals_ns: When each request is due.
        parts: How many generators.

    Returns:
        The arrivals of each.
    """
    return [tuple(arrivals_ns[part::parts]) for part in range(parts)]


def _expected(rate: float, duration_s: float) -> float:
    if not (0 < rate < math.inf and 0 < duration_s < math.inf):
        raise OptionError(f"expected a rate and a duration above 0, got {rate:g} requests/s for {duration_s:g} s")
    if rate * duration_s > MAX_REQUESTS:
        raise OptionError(f"{rate:g} requests/s for {duration_s:g} s are more than {MAX_REQUESTS} requests")
    return rate * duration_s
