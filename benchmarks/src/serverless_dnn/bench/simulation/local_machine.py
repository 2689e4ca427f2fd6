"""This machine's own platforms, whose front door and generator share its cores with the instances; pure and seeded.

In a cloud neither runs where instances do. Here, what a request takes beside its instance is work of the same cores:
requests that are on their way at once share them, as far as there are fewer cores than requests.
"""

from collections.abc import Sequence
from dataclasses import replace
from heapq import heappop, heappush

import numpy as np

from serverless_dnn.bench.analysis.joining import Request
from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.simulation.behaviour import Behaviour, Floats
from serverless_dnn.bench.simulation.candidates import behaviour_of
from serverless_dnn.bench.simulation.loaded_times import loaded_times
from serverless_dnn.bench.simulation.scaling import Scaling
from serverless_dnn.bench.simulation.simulate import simulate


def local_behaviour(
    platform: str, warm: Sequence[Request], cold: Sequence[Request], one_after_another: Sequence[Request]
) -> Behaviour:
    """How long instances took, from requests under any load.

    What a front door takes to hand a request to an idle instance keeps the instance from the next one.

    Args:
        platform: The platform's name.
        warm: Requests to instances that had answered before; they may have waited for one.
        cold: Requests for which an instance was started; may be none.
        one_after_another: Requests that waited for nothing.

    Returns:
        The times.

    Raises:
        OptionError: The platform did not tell how long the requests took.
    """
    times = loaded_times(warm, one_after_another)
    if times is None:
        raise OptionError(f"{platform} did not tell how long its requests took")
    return replace(
        behaviour_of(platform, warm, cold),
        service_s=times.service_s + times.handing_s,
        overhead_s=times.outside_s,
    )


def simulate_here(
    arrivals_s: Floats, behaviour: Behaviour, scaling: Scaling, cores: int, *, warm_instances: int = 0, seed: int = 0
) -> Floats:
    """Simulate a load on a platform on this machine.

    Args:
        arrivals_s: When each request is due, in order.
        behaviour: What was measured of the configuration.
        scaling: The platform's rules.
        cores: How many cores front door, generator and instances share.
        warm_instances: How many instances run at the start.
        seed: The same seed gives the same latencies.

    Returns:
        The latency of every request that was not refused, in seconds.
    """
    draws = behaviour.draw(arrivals_s.size, seed)
    reached_s = sharing_cores(arrivals_s, draws.overhead_s, cores)
    order = np.argsort(reached_s, kind="stable")
    at_the_door = replace(
        behaviour,
        overhead_s=np.zeros_like(behaviour.overhead_s),
        first_overhead_s=np.zeros_like(behaviour.first_overhead_s),
    )
    outcome = simulate(reached_s[order], at_the_door, scaling, warm_instances=warm_instances, seed=seed)
    return (outcome.ends_s - arrivals_s[order])[~outcome.refused]


def sharing_cores(begins_s: Floats, needed_s: Floats, cores: int) -> Floats:
    """When pieces of work end that share cores fairly, none on more than one at a time.

    Args:
        begins_s: When each begins, in order.
        needed_s: How long each takes on a core of its own.
        cores: How many cores there are.

    Returns:
        When each ends.
    """
    ends_s = np.empty_like(begins_s)
    # By the progress, the same for all that run, at which each ends.
    running: list[tuple[float, int]] = []
    progress_s = now_s = 0.0

    def finish_until(until_s: float) -> None:
        nonlocal progress_s, now_s
        while running:
            speed = min(1.0, cores / len(running))
            end_s = now_s + (running[0][0] - progress_s) / speed
            if end_s > until_s:
                progress_s += (until_s - now_s) * speed
                break
            progress_s, index = heappop(running)
            ends_s[index] = now_s = end_s
        now_s = until_s

    for index, (begin_s, work_s) in enumerate(zip(begins_s.tolist(), needed_s.tolist(), strict=True)):
        finish_until(begin_s)
        heappush(running, (progress_s + work_s, index))
    finish_until(np.inf)
    return ends_s
