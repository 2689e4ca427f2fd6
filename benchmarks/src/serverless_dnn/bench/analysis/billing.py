"""What each platform bills of a request: durations in nanoseconds to quantities of priced items.

Rules are those of https://aws.amazon.com/lambda/pricing/, https://aws.amazon.com/sagemaker/pricing/ and
https://cloud.google.com/run/pricing.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

MILLISECOND_NS = 1_000_000
SECOND_NS = 1_000_000_000
LAMBDA_STEP_NS = SAGEMAKER_STEP_NS = MILLISECOND_NS
CLOUD_RUN_STEP_NS = 100 * MILLISECOND_NS
STEPS_NS: Mapping[str, int] = MappingProxyType(
    {"lambda": LAMBDA_STEP_NS, "sagemaker": SAGEMAKER_STEP_NS, "cloudrun": CLOUD_RUN_STEP_NS}
)
"""Durations are rounded up to a multiple of this, by platform."""
# AWS does not say what a GB of processed data is; its calculator takes 1 GB as 1,024 MB.
_BYTES_OF_GB = 1 << 30
_MB_OF_GB = 1024

Usage = Mapping[str, float]
"""How much of each priced item is used, in the item's unit."""


def round_up(duration_ns: int, step_ns: int) -> int:
    """Round a duration up to what is billed; in whole numbers, so that 1 ms stays 1 ms.

    Args:
        duration_ns: The duration.
        step_ns: The platform's step.

    Returns:
        The smallest multiple of the step that is not below it.
    """
    return -(-duration_ns // step_ns) * step_ns


def busy_periods(intervals: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The union of intervals: when at least one request was there.

    Args:
        intervals: Begin and end of each request, in any order.

    Returns:
        Begin and end of each busy period, in order; those that touch are one.
    """
    periods: list[tuple[int, int]] = []
    for begin, end in sorted(intervals):
        if periods and begin <= periods[-1][1]:
            periods[-1] = (periods[-1][0], max(periods[-1][1], end))
        else:
            periods.append((begin, end))
    return periods


def billed_shares_ns(intervals: Collection[tuple[int, int]], step_ns: int = CLOUD_RUN_STEP_NS) -> list[float]:
    """The time that Cloud Run bills for the requests of one instance: each busy period, rounded up.

    Args:
        intervals: Begin and end of each request of the instance.
        step_ns: The platform's step.

    Returns:
        An equal share for each request of a period, in the order of the periods; together they are the billed time.
    """
    begins = sorted(begin for begin, _ in intervals)
    shares_ns: list[float] = []
    for begin, end in busy_periods(intervals):
        sharing = bisect_right(begins, end) - bisect_left(begins, begin)
        shares_ns += [round_up(end - begin, step_ns) / sharing] * sharing
    return shares_ns


def lambda_usage(memory_mb: int, billed_ns: float, requests: float = 1) -> Usage:
    """What a function's requests use.

    Args:
        memory_mb: The function's memory.
        billed_ns: Their durations, init phases included, each rounded up.
        requests: How many.
    """
    return {"duration": memory_mb / _MB_OF_GB * billed_ns / SECOND_NS, "requests": requests}


def sagemaker_usage(memory_mb: int, billed_ns: float, data_bytes: float) -> Usage:
    """What a serverless endpoint's requests use; requests as such are free.

    Args:
        memory_mb: The endpoint's memory.
        billed_ns: Their durations, each rounded up.
        data_bytes: The bytes of their bodies and of those of the responses.
    """
    return {f"duration at {memory_mb} MB": billed_ns / SECOND_NS, "data processed": data_bytes / _BYTES_OF_GB}


def cloud_run_usage(cpus: float, memory_mb: int, billed_ns: float, requests: float = 1) -> Usage:
    """What a service's requests use with request-based billing.

    Args:
        cpus: An instance's vCPUs.
        memory_mb: An instance's memory.
        billed_ns: The time in which instances are billed.
        requests: How many.
    """
    seconds = billed_ns / SECOND_NS
    return {"cpu": cpus * seconds, "memory": memory_mb / _MB_OF_GB * seconds, "requests": requests}


def cloud_run_instance_usage(cpus: float, memory_mb: int, running_ns: float) -> Usage:
    """What a service's instances use with instance-based billing; requests as such are free.

    Args:
        cpus: An instance's vCPUs.
        memory_mb: An instance's memory.
        running_ns: How long they run.
    """
    seconds = running_ns / SECOND_NS
    return {"instance-based cpu": cpus * seconds, "instance-based memory": memory_mb / _MB_OF_GB * seconds}
