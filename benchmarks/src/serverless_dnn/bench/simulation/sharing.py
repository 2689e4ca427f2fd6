"""How much slower requests are that an instance computes at once, as bursts measured it."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from serverless_dnn.bench.analysis.joining import Request
from serverless_dnn.bench.simulation.behaviour import Floats
from serverless_dnn.bench.targets.records import Invocation

_FEWEST = 20
"""So few requests say little about a median."""
_FULL = 0.9
"""An instance counts as full while it has at least this share of the requests that it may have."""


def slowdowns_of(
    alone: Sequence[Request], bursts: Sequence[Request], requests_per_instance: int
) -> tuple[tuple[int, float], ...]:
    """How many times as long requests take on a full instance.

    Args:
        alone: Requests one after another.
        bursts: Requests all at once, more than the instances take at a time.
        requests_per_instance: How many requests an instance takes at a time.

    Returns:
        The number of requests at a time and the factor of the median, as ``Behaviour.slowdowns`` takes it; empty if no
        burst kept an instance full, or if instances take one request at a time.
    """
    if requests_per_instance == 1:
        return ()
    told = [each.invocation for each in alone if each.invocation is not None]
    full = [
        invocation
        for invocation, beside in _with_neighbours([each.invocation for each in bursts if each.invocation is not None])
        if beside >= _FULL * requests_per_instance
    ]
    if len(told) < _FEWEST or len(full) < _FEWEST:
        return ()
    factor = float(np.median(_durations(full)) / np.median(_durations(told)))
    return ((requests_per_instance, max(1.0, factor)),)


def _durations(invocations: Sequence[Invocation]) -> Floats:
    return np.array([each.duration_ns for each in invocations], dtype=np.float64)


def _with_neighbours(invocations: Sequence[Invocation]) -> list[tuple[Invocation, float]]:
    """Each invocation with the number of them, itself included, that its instance had on average meanwhile."""
    by_instance: dict[str, list[Invocation]] = defaultdict(list)
    for each in invocations:
        by_instance[each.instance].append(each)
    found = []
    for group in by_instance.values():
        begins = np.array([each.begin_ns for each in group], dtype=np.float64)
        ends = np.array([each.end_ns for each in group], dtype=np.float64)
        for each in group:
            overlaps = np.minimum(ends, each.end_ns) - np.maximum(begins, each.begin_ns)
            found.append((each, float(np.sum(np.maximum(0.0, overlaps))) / max(1, each.duration_ns)))
    return found
