"""Whether an objective is kept: decided by an interval, never by a value alone."""

from typing import Literal

from serverless_dnn.bench.analysis.statistics import Interval

Kept = Literal["kept", "missed", "undecided"]


def is_kept(interval: Interval | None, limit: float) -> Kept:
    """Whether something is at most as large as it may be.

    Args:
        interval: Contains its true value; ``None`` if there is too little data to say.
        limit: What is allowed.

    Returns:
        ``kept`` if the whole interval is within the limit, ``missed`` if it is beyond, otherwise ``undecided``.
    """
    if interval is None:
        return "undecided"
    if interval.high <= limit:
        return "kept"
    return "missed" if interval.low > limit else "undecided"
