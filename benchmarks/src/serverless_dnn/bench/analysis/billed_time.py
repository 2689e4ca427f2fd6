"""For how long each platform bills the requests that were measured."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from serverless_dnn.bench.analysis.billing import STEPS_NS, billed_shares_ns, round_up
from serverless_dnn.bench.analysis.joining import Request

FROM_DOOR = "the front door's records"
FROM_SERVER = "the server's reported total"


@dataclass(frozen=True)
class BilledTime:
    """The billed time of requests.

    Attributes:
        rounds_ns: That of each request, or its share of what is billed of several together, by round.
        source: Where it comes from.
    """

    rounds_ns: Mapping[int, Sequence[float]]
    source: str

    @property
    def values_ns(self) -> list[float]:
        """That of each request."""
        return [value for values in self.rounds_ns.values() for value in values]


def billed_time(platform: str, requests: Sequence[Request]) -> BilledTime | None:
    """The billed time of requests, each by itself.

    Args:
        platform: A platform's name.
        requests: The requests.

    Returns:
        What the front door tells or, if that does not tell of all of them, the server; ``None`` if neither does.
    """
    step_ns = STEPS_NS[platform]
    sources: tuple[tuple[str, Callable[[Request], int | None]], ...] = (
        (FROM_DOOR, _seen_by_door),
        (FROM_SERVER, lambda each: each.sample.server_total_ns),
    )
    for source, duration_of in sources:
        rounds_ns: dict[int, list[float]] = defaultdict(list)
        for each in requests:
            if (duration_ns := duration_of(each)) is not None:
                rounds_ns[each.sample.round].append(round_up(duration_ns, step_ns))
        if requests and sum(map(len, rounds_ns.values())) == len(requests):
            return BilledTime(rounds_ns, source)
    return None


def shared_billed_time(requests: Sequence[Request], step_ns: int) -> BilledTime | None:
    """The shares of requests in the time in which instances were busy, each with one or with several requests.

    Requests that overlap on an instance are billed once: each busy period is rounded up, and its requests share it. One
    that is alone on its instance is billed as by ``billed_time``.

    Args:
        requests: The requests.
        step_ns: To what each busy period is rounded up; 1 does not round.

    Returns:
        The shares; ``None`` if the platform does not tell which instance had which request.
    """
    intervals: dict[tuple[int, str], list[tuple[int, int]]] = defaultdict(list)
    for each in requests:
        if each.invocation is None:
            return None
        key = (each.sample.round, each.invocation.instance)
        intervals[key].append((each.invocation.begin_ns, each.invocation.end_ns))
    rounds_ns: dict[int, list[float]] = defaultdict(list)
    for (number, _), of_instance in intervals.items():
        rounds_ns[number] += billed_shares_ns(of_instance, step_ns)
    return BilledTime(rounds_ns, FROM_DOOR) if rounds_ns else None


def may_share(requests: Sequence[Request]) -> bool:
    """Whether any two requests of a round were under way at the same time, as the client saw it.

    Args:
        requests: The requests.
    """
    rounds: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for each in requests:
        sample = each.sample
        rounds[sample.round].append((sample.sent_ns, sample.scheduled_ns + sample.latency_ns))
    return any(start < end for intervals in rounds.values() for (_, end), (start, _) in pairwise(sorted(intervals)))


def cold_billed_ns(platform: str, requests: Sequence[Request]) -> list[int] | None:
    """What is billed of cold starts, the first request of each included.

    Lambda bills the init phase, Cloud Run everything since the container was started. What SageMaker bills of a start
    is not published.

    Args:
        platform: A platform's name.
        requests: The requests that led to the starts.

    Returns:
        The billed time of each; ``None`` if that of any is unknown.
    """
    if platform == "sagemaker" or not requests:
        return None
    durations_ns = [_cold_ns(each, platform) for each in requests]
    known_ns = [round_up(each, STEPS_NS[platform]) for each in durations_ns if each is not None]
    return known_ns if len(known_ns) == len(requests) else None


def _seen_by_door(request: Request) -> int | None:
    invocation = request.invocation
    return None if invocation is None else invocation.duration_ns + (invocation.init_ns or 0)


def _cold_ns(request: Request, platform: str) -> int | None:
    if request.invocation is not None:
        if platform == "lambda":
            return _seen_by_door(request)
        return None if request.instance is None else request.invocation.end_ns - request.instance.spawned_ns
    sample = request.sample
    if sample.cold_ns is None or sample.server_total_ns is None:
        return None
    return sample.cold_ns + sample.server_total_ns
