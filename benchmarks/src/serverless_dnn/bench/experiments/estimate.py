"""How long a plan takes, and what it costs in the cloud, before anything is sent; pure, and rough by nature."""

from dataclasses import dataclass, replace

from serverless_dnn.bench.analysis.prices import PriceTable
from serverless_dnn.bench.configuration import Configuration
from serverless_dnn.bench.experiments.floors import REQUESTS_PER_ROUND
from serverless_dnn.bench.experiments.plan import Plan
from serverless_dnn.bench.experiments.starting import MAX_WARM_UP_WINDOWS, WARM_UP_WINDOW
from serverless_dnn.bench.platforms import PLATFORMS
from serverless_dnn.models.registry import MODELS

# What one vCPU of a current server computes in a second, measured with the paper's models to within a factor of two.
_FLOPS_PER_CPU_S = {"tensorflow": 60e9}
_FLOPS_OF_OPENVINO_PER_CPU_S = 120e9
_UNKNOWN_COMPUTE_S = 0.02
_OVERHEAD_S = 0.004
_JSON_TIMES = 3
_COLD_START_S = {"tensorflow": 5.0}
_COLD_START_OF_OPENVINO_S = 0.8
_COMPILING_S = 1.5
_SET_UP_S = 6.0
_FLOOR_S = 0.004


@dataclass(frozen=True)
class Estimate:
    """What a plan will take.

    Attributes:
        duration_s: How long; within a factor of two.
        requests: How many requests of each configuration, by label, everything included.
        cost_usd: What remote targets cost in US dollars, without data transfer, by label; ``None`` where no price is
            known.
    """

    duration_s: float
    requests: dict[str, int]
    cost_usd: dict[str, float | None]


def estimate_plan(plan: Plan, prices: PriceTable) -> Estimate:
    """Estimate what a plan will take.

    Args:
        plan: The plan.
        prices: Of the platforms.

    Returns:
        The estimate.
    """
    requests = {each.label: _requests(plan, each) for each in plan.configurations}
    remote = [each for each in plan.configurations if each.url is not None]
    cost_usd = {each.label: _cost_usd(plan, each, requests[each.label], prices) for each in remote}
    duration_s = _SET_UP_S + sum(_duration_s(plan, each) for each in plan.configurations)
    return Estimate(duration_s, requests, cost_usd)


def with_assumed_size(configuration: Configuration) -> Configuration:
    """A configuration with the size that its cost is estimated for.

    Args:
        configuration: The configuration.

    Returns:
        The same, if its memory is known or its platform is not; else with the platform's default memory.
    """
    platform = PLATFORMS.get(configuration.platform)
    if platform is None or configuration.memory_mb is not None:
        return configuration
    chosen = configuration.cpus if platform.mb_per_cpu is None else None
    memory_mb = platform.default_memory_mb_of(chosen)
    return replace(configuration, memory_mb=memory_mb, cpus=platform.cpus_of(memory_mb, chosen))


def _requests(plan: Plan, configuration: Configuration) -> int:
    workload = plan.options.workload
    total = plan.requests_of(configuration) + plan.cold_starts_of(configuration)
    if configuration.cache == "empty":
        return total
    total += 2 * configuration.instances * configuration.requests_per_instance + 3 * WARM_UP_WINDOW
    if configuration.role == "compared":
        total += workload.burst * workload.bursts + plan.open_requests
    return total


def _duration_s(plan: Plan, configuration: Configuration) -> float:
    workload = plan.options.workload
    engine = configuration.engine
    cold_s = _COLD_START_S.get(engine, _COLD_START_OF_OPENVINO_S)
    if configuration.cache == "empty":
        return plan.cold_starts_of(configuration) * (cold_s + _COMPILING_S)
    latency_s = _latency_s(plan, configuration)
    at_a_time = min(workload.concurrency, configuration.instances * configuration.requests_per_instance)
    total_s = plan.cold_starts_of(configuration) * cold_s + plan.requests_of(configuration) * latency_s / at_a_time
    total_s += WARM_UP_WINDOW * MAX_WARM_UP_WINDOWS / 4 * latency_s
    if plan.options.with_floor and configuration.url is None:
        total_s += workload.rounds * REQUESTS_PER_ROUND * _FLOOR_S + 1
    if configuration.role == "compared":
        total_s += workload.burst * workload.bursts * latency_s / configuration.instances
        total_s += plan.open_duration_s
    return total_s


def _latency_s(plan: Plan, configuration: Configuration) -> float:
    card = None if plan.options.model_path else MODELS.get(plan.options.model)
    per_s = _FLOPS_PER_CPU_S.get(configuration.engine, _FLOPS_OF_OPENVINO_PER_CPU_S) * (configuration.cpus or 1)
    compute_s = _UNKNOWN_COMPUTE_S if card is None else card.flops / per_s
    times = _JSON_TIMES if configuration.body_format == "json" else 1
    return compute_s + _OVERHEAD_S * times


def _cost_usd(plan: Plan, configuration: Configuration, requests: int, prices: PriceTable) -> float | None:
    from serverless_dnn.bench.analysis.cost import estimated_cost_usd

    sized = with_assumed_size(configuration)
    latency_s = _latency_s(plan, sized)
    return estimated_cost_usd(sized.platform, requests, latency_s, prices, sized.memory_mb, sized.cpus)
