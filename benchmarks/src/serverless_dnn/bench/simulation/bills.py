"""What a simulated month uses of each priced item, by each of a platform's ways of billing."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serverless_dnn.bench.analysis.billing import (
    CLOUD_RUN_STEP_NS,
    STEPS_NS,
    Usage,
    busy_periods,
    cloud_run_instance_usage,
    cloud_run_usage,
    lambda_usage,
    round_up,
    sagemaker_usage,
)
from serverless_dnn.bench.simulation.demand import MONTH_S, Window
from serverless_dnn.bench.simulation.outcome import Outcome


@dataclass(frozen=True)
class Size:
    """What is billed beside time.

    Attributes:
        platform: The platform's name.
        memory_mb: An instance's memory.
        cpus: Its vCPUs.
        data_bytes: The bytes of a request's and a response's bodies.
        kept_instances: How many instances always run.
    """

    platform: str
    memory_mb: int
    cpus: float
    data_bytes: float
    kept_instances: int = 0


@dataclass(frozen=True)
class SimulatedWindow:
    """A window and what became of it.

    Attributes:
        window: The window.
        outcome: Every request of it.
    """

    window: Window
    outcome: Outcome

    @property
    def answered(self) -> NDArray[np.int64]:
        """The requests that count and were answered."""
        index = np.arange(self.window.first_counted, self.outcome.arrivals_s.size)
        return index[~self.outcome.refused[index]]

    @property
    def counted(self) -> int:
        """How many requests count."""
        return self.outcome.arrivals_s.size - self.window.first_counted

    @property
    def begin_s(self) -> float:
        """When the first request that counts came."""
        return float(self.outcome.arrivals_s[self.window.first_counted]) if self.window.usual_rate is not None else 0.0

    @property
    def end_s(self) -> float:
        """When the last one came."""
        return float(self.outcome.arrivals_s[-1])

    @property
    def mean_instances(self) -> float:
        """How many instances ran meanwhile, on average; those of its end where all came at once."""
        if self.end_s <= self.begin_s:
            return float(self.outcome.instance_counts(np.array([self.end_s]))[0])
        return self.outcome.running_s(self.begin_s, self.end_s) / (self.end_s - self.begin_s)


def monthly_usages(size: Size, windows: Sequence[SimulatedWindow], requests_per_month: float) -> Mapping[str, Usage]:
    """What a month uses.

    What requests take grows with their number, and what instances take with time: a window's random arrivals are a
    little more or fewer than their rate says, and an instance that always runs costs the same whatever comes.

    Args:
        size: What is billed beside time.
        windows: What was simulated.
        requests_per_month: How many requests come in a month.

    Returns:
        The usage by way of billing.
    """
    usages: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for each in windows:
        times = each.window.share * requests_per_month / each.counted
        for name, usage in _usages(size, each, times).items():
            for item, quantity in usage.items():
                usages[name][item] += quantity
    if size.kept_instances and size.platform != "cloudrun":
        held_s = size.kept_instances * MONTH_S
        held = lambda_usage(size.memory_mb, held_s * 1e9)["duration"] if size.platform == "lambda" else held_s
        usages["provisioned"][_provisioned_item(size, "held")] += held
    return {name: dict(usage) for name, usage in usages.items()}


def _usages(size: Size, each: SimulatedWindow, times: float) -> Mapping[str, Usage]:
    """What a month uses of what a window stands for, where each of its requests stands for so many."""
    if size.platform == "cloudrun":
        return _cloud_run_usages(size, each, times)
    outcome, answered = each.outcome, each.answered
    durations_s = outcome.ends_s[answered] - outcome.begins_s[answered]
    instances = outcome.instances[answered]
    if size.platform == "lambda":
        durations_s = durations_s + np.where(outcome.cold[answered], outcome.starts_billed_s[instances], 0.0)
    step_ns = STEPS_NS[size.platform]
    billed_ns = -(-np.rint(durations_s * 1e9).astype(np.int64) // step_ns) * step_ns
    is_kept = instances < size.kept_instances
    on_demand_ns = float(np.sum(billed_ns[~is_kept])) * times
    kept_ns = float(np.sum(billed_ns[is_kept])) * times
    if size.platform == "lambda":
        usage = dict(lambda_usage(size.memory_mb, on_demand_ns, answered.size * times))
        kept = lambda_usage(size.memory_mb, kept_ns)["duration"]
    else:
        usage = dict(sagemaker_usage(size.memory_mb, on_demand_ns, size.data_bytes * answered.size * times))
        kept = kept_ns / 1e9
    if not size.kept_instances:
        return {"on demand": usage}
    return {"provisioned": {**usage, _provisioned_item(size, "run"): kept}}


def _provisioned_item(size: Size, state: str) -> str:
    sized = f" at {size.memory_mb} MB" if size.platform == "sagemaker" else ""
    return f"provisioned concurrency {state}{sized}"


def _cloud_run_usages(size: Size, each: SimulatedWindow, times: float) -> Mapping[str, Usage]:
    outcome = each.outcome
    spans: dict[int, list[tuple[int, int]]] = defaultdict(list)
    columns = (outcome.instances, outcome.begins_s * 1e9, outcome.ends_s * 1e9)
    for number, begin_ns, end_ns in zip(*(column[each.answered].tolist() for column in columns), strict=True):
        spans[number].append((round(begin_ns), round(end_ns)))
    for number, (begin_s, ready_s) in enumerate(zip(outcome.starts_s.tolist(), outcome.ready_s.tolist(), strict=True)):
        # Starts are billed, whoever they were for.
        if ready_s > begin_s >= each.begin_s:
            spans[number].append((round(begin_s * 1e9), round(ready_s * 1e9)))
    periods = [period for intervals in spans.values() for period in busy_periods(intervals)]
    billed_ns = sum(round_up(end - begin, CLOUD_RUN_STEP_NS) for begin, end in periods)
    by_request = dict(cloud_run_usage(size.cpus, size.memory_mb, billed_ns * times, each.answered.size * times))
    stood_for_s = each.window.time_share * MONTH_S
    if size.kept_instances:
        idle = _mean_idle_kept(periods, size.kept_instances, each)
        by_request["idle minimum instances"] = size.cpus * idle * stood_for_s
    running_ns = each.mean_instances * stood_for_s * 1e9
    return {
        "request-based": by_request,
        "instance-based": cloud_run_instance_usage(size.cpus, size.memory_mb, running_ns),
    }


def _mean_idle_kept(periods: Sequence[tuple[int, int]], kept: int, each: SimulatedWindow) -> float:
    """How many minimum instances had nothing to do, on average."""
    if each.end_s <= each.begin_s:
        return kept
    times = np.array([time for period in periods for time in period], dtype=np.float64) / 1e9
    steps = np.tile([1, -1], len(periods))
    times = np.clip(times, each.begin_s, each.end_s)
    order = np.argsort(times, kind="stable")
    edges = np.concatenate(([each.begin_s], times[order], [each.end_s]))
    busy = np.concatenate(([0], np.cumsum(steps[order])))
    return float(np.sum(np.diff(edges) * np.maximum(0, kept - busy))) / (each.end_s - each.begin_s)
