"""How long requests took that did not come one after another, apart from their waiting; pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from serverless_dnn.bench.analysis.joining import Request
from serverless_dnn.bench.simulation.behaviour import Floats


@dataclass(frozen=True)
class LoadedTimes:
    """The parts of each request's time that are no waiting.

    Attributes:
        handing_s: What the front door takes to hand a request to an idle instance. Under load that cannot be told from
            waiting, so it is the median of requests one after another.
        service_s: How long the instance was busy with each request.
        outside_s: What the client waited before the request reached the front door and after its answer left it.
    """

    handing_s: float
    service_s: Floats
    outside_s: Floats


def loaded_times(requests: Sequence[Request], one_after_another: Sequence[Request]) -> LoadedTimes | None:
    """Take requests under load apart.

    Args:
        requests: Requests to instances that had answered before; they may have waited for one.
        one_after_another: Requests that waited for nothing.

    Returns:
        The times; ``None`` if the platform did not tell of some of them.
    """
    told = [(each.sample, each.invocation) for each in requests if each.invocation is not None]
    handed_ns = [each.invocation.begin_ns - each.invocation.arrival_ns for each in one_after_another if each.invocation]
    if not told or not handed_ns or len(told) < len(requests):
        return None
    service_ns = [invocation.duration_ns - (sample.server_queue_ns or 0) for sample, invocation in told]
    outside_ns = [max(0, row.latency_ns - (invocation.end_ns - invocation.arrival_ns)) for row, invocation in told]
    return LoadedTimes(float(np.median(handed_ns)) / 1e9, np.array(service_ns) / 1e9, np.array(outside_ns) / 1e9)
