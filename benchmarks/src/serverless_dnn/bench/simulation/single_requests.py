"""Instances that take one request at a time: exact, with one heap, and several times as fast as event by event.

A request's whole fate is known when it arrives: waiting requests are served in order, so that it gets the instance that
is free first (Kiefer and Wolfowitz, "On the theory of queues with many servers", 1955).
"""

from collections import deque
from heapq import heappop, heappush

from serverless_dnn.bench.simulation.behaviour import Draws, Floats
from serverless_dnn.bench.simulation.outcome import Outcome, Recorder
from serverless_dnn.bench.simulation.scaling import Scaling, TokenBucket


def serve_single_requests(  # noqa: C901, PLR0912 - a call in this loop costs as much as all the rest of it
    arrivals_s: Floats, draws: Draws, scaling: Scaling, warm_instances: int = 0
) -> Outcome:
    """Simulate a platform that starts an instance for every request that finds none free.

    Args:
        arrivals_s: When each request is due, in order.
        draws: What each would take.
        scaling: The platform's rules; pinned, one request per instance, no target.
        warm_instances: How many instances run at the start, those that are kept included.

    Returns:
        What became of them.
    """
    recorder = Recorder(arrivals_s, draws)
    begins_s, ends_s, cold, instances = recorder.begins_s, recorder.ends_s, recorder.cold, recorder.instances
    service_s, start_s, first_s = draws.service_s.tolist(), draws.start_s.tolist(), draws.first_service_s.tolist()
    kept, idle_s, max_wait_s = scaling.kept_instances, scaling.idle_s, scaling.max_wait_s
    start_bucket, request_bucket = TokenBucket(scaling.start_rate), TokenBucket(scaling.request_rate)
    alive = max(kept, min(warm_instances, scaling.max_instances))
    for _ in range(alive):
        recorder.add_instance(0.0, 0.0, 0.0)
    # Instances that are kept go first, for they are paid for anyway; then the one that was used last.
    idle_kept = list(range(kept))
    idle = deque((0.0, number) for number in range(kept, alive))
    busy: list[tuple[float, int]] = []
    for index, now_s in enumerate(arrivals_s.tolist()):
        while busy and busy[0][0] <= now_s:
            end_s, number = heappop(busy)
            if number < kept:
                idle_kept.append(number)
            else:
                idle.append((end_s, number))
        while idle and idle[0][0] + idle_s <= now_s:
            used_s, number = idle.popleft()
            recorder.stops_s[number] = used_s + idle_s
            alive -= 1
        if not request_bucket.take(now_s):
            continue
        begin_s, needed_s = now_s, service_s[index]
        if idle_kept:
            number = idle_kept.pop()
        elif idle:
            number = idle.pop()[1]
        elif alive < scaling.max_instances:
            if not start_bucket.take(now_s):
                continue
            begin_s, needed_s = now_s + start_s[index], first_s[index]
            number = recorder.add_instance(now_s, begin_s, float(draws.start_billed_s[index]))
            cold[index] = True
            alive += 1
        elif busy[0][0] - now_s <= max_wait_s and max_wait_s:
            begin_s, number = heappop(busy)
        else:
            continue
        begins_s[index], instances[index] = begin_s, number
        ends_s[index] = end_s = begin_s + needed_s
        heappush(busy, (end_s, number))
    return recorder.outcome()
