"""What a request's and a cold start's time is made of: means, which add up where medians do not."""

import statistics
from collections.abc import Callable, Mapping, Sequence

from serverless_dnn.bench.analysis.joining import Request
from serverless_dnn.bench.load.samples import Sample

_SERVER_PARTS: Mapping[str, Callable[[Sample], int | None]] = {
    "server decode": lambda sample: sample.server_decode_ns,
    "queue": lambda sample: sample.server_queue_ns,
    "compute": lambda sample: sample.server_compute_ns,
    "server encode": lambda sample: sample.server_encode_ns,
}
_START_PHASES: Mapping[str, Callable[[Sample], int | None]] = {
    "interpreter": lambda sample: sample.cold_interpreter_ns,
    "imports": lambda sample: sample.cold_import_ns,
    "engine import": lambda sample: sample.cold_engine_ns,
    "model load": lambda sample: sample.cold_load_ns,
    "warm-up": lambda sample: sample.cold_warmup_ns,
}


def request_parts_ms(requests: Sequence[Request], floor_ms: float | None) -> dict[str, float]:
    """The mean of each part of a request; they add up to the mean latency.

    A part that any of the requests does not report is absent, and its time is part of ``network and platform``.

    Args:
        requests: The counted requests.
        floor_ms: Median of a null server behind the same front door; it is taken out of ``network and platform``.

    Returns:
        The parts in the order of ``REQUEST_PARTS``; empty without requests.
    """
    if not requests:
        return {}
    encode = _mean_ms(requests, lambda each: each.sample.encode_ns)
    wait = _mean_ms(requests, _wait_ns)
    server = {name: _mean_ms(requests, _of_sample(of)) for name, of in _SERVER_PARTS.items()}
    decode = _mean_ms(requests, lambda each: each.sample.decode_ns)
    rest = mean_latency_ms(requests) - sum(
        part for part in (encode, wait, *server.values(), decode) if part is not None
    )
    floor = None if floor_ms is None else min(floor_ms, max(rest, 0.0))
    parts = {
        "client encode": encode,
        "network and platform": rest - (floor or 0.0),
        "front-door floor": floor,
        "wait for an instance": wait,
        **server,
        "client decode": decode,
    }
    return {name: part for name, part in parts.items() if part is not None}


def cold_phases_ms(requests: Sequence[Request]) -> dict[str, float]:
    """The mean of each phase of a cold start; they add up to the mean total.

    A phase that any of the starts does not report is absent. Of what an instance tells of its start, the rest is
    ``other start``; of everything, the rest is ``request``. Either is negative where phases overlap or clocks are
    coarse, and is shown as it is.

    Args:
        requests: The counted cold starts.

    Returns:
        The phases in the order of ``COLD_PHASES``; empty without starts.
    """
    if not requests:
        return {}
    start = _mean_ms(requests, lambda each: each.sample.cold_ns)
    platform = _mean_ms(requests, _platform_start_ns)
    phases = {name: _mean_ms(requests, _of_sample(of)) for name, of in _START_PHASES.items()}
    known = sum(phase for phase in phases.values() if phase is not None)
    inference = _mean_ms(requests, lambda each: each.sample.server_compute_ns)
    # Without the length of the whole start, only its phases are known.
    whole = known if start is None else start
    parts = {
        "platform start": platform,
        **phases,
        "other start": None if start is None else start - known,
        "first inference": inference,
        "request": mean_latency_ms(requests) - (platform or 0.0) - whole - (inference or 0.0),
    }
    return {name: part for name, part in parts.items() if part is not None}


def mean_latency_ms(requests: Sequence[Request]) -> float:
    """The mean latency.

    Args:
        requests: At least one.
    """
    return statistics.fmean(each.sample.latency_ns for each in requests) / 1e6


def _mean_ms(requests: Sequence[Request], part_of: Callable[[Request], int | None]) -> float | None:
    values = [part_of(each) for each in requests]
    known = [value for value in values if value is not None]
    return statistics.fmean(known) / 1e6 if len(known) == len(values) else None


def _of_sample(part_of: Callable[[Sample], int | None]) -> Callable[[Request], int | None]:
    return lambda each: part_of(each.sample)


def _wait_ns(request: Request) -> int | None:
    invocation = request.invocation
    return None if invocation is None else invocation.begin_ns - invocation.arrival_ns


def _platform_start_ns(request: Request) -> int | None:
    """From the request's arrival at the front door until the process of an instance was started for it."""
    invocation, instance = request.invocation, request.instance
    if invocation is None or instance is None or instance.spawned_ns < invocation.arrival_ns:
        return None
    return instance.spawned_ns - invocation.arrival_ns
