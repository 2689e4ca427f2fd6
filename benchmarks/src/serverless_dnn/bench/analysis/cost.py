"""What a configuration's requests cost, from the time that was measured to be billed."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from serverless_dnn.bench.analysis.billed_time import (
    FROM_SERVER,
    BilledTime,
    billed_time,
    cold_billed_ns,
    may_share,
    shared_billed_time,
)
from serverless_dnn.bench.analysis.billing import (
    CLOUD_RUN_STEP_NS,
    STEPS_NS,
    Usage,
    cloud_run_instance_usage,
    cloud_run_usage,
    lambda_usage,
    round_up,
    sagemaker_usage,
)
from serverless_dnn.bench.analysis.bodies import carried_bytes
from serverless_dnn.bench.analysis.joining import Request, Rows
from serverless_dnn.bench.analysis.prices import Price, PriceTable, cost_usd
from serverless_dnn.bench.analysis.results import CostSummary
from serverless_dnn.bench.analysis.statistics import geometric_interval, percentile
from serverless_dnn.bench.configuration import Configuration
from serverless_dnn.bench.load.samples import Experiment
from serverless_dnn.bench.platforms import PLATFORMS

_MILLION = 1_000_000
_PRICED: tuple[Experiment, ...] = ("closed", "open", "burst")


def summarize_cost(rows: Rows, configuration: Configuration, prices: PriceTable) -> CostSummary | None:
    """What a configuration's requests cost.

    Costs come from the mean billed time, because bills are sums.

    Args:
        rows: A run's rows.
        configuration: The configuration.
        prices: The prices.

    Returns:
        The cost; ``None`` for what is no known platform, or without a warm request whose billed time is known.
    """
    experiment, warm = _priced_requests(rows, configuration)
    billed = _billed(configuration, warm)
    is_known = _is_sharing_known(configuration, warm)
    if billed is None:
        return None
    till = _Till(configuration, prices)
    usage = till.usage(statistics.fmean(billed.values_ns), _data_bytes(configuration, warm)) if is_known else None
    per_million = till.usd(usage, _MILLION)
    rounds_usd = _rounds_usd(till, warm, billed) if is_known else {}
    bursts = rows.counted_requests(configuration.label, "burst")
    cold_ns = cold_billed_ns(configuration.platform, rows.counted_requests(configuration.label, "cold"))
    return CostSummary(
        label=configuration.label,
        billed_ms=percentile(billed.values_ns, 50) / 1e6,
        billed_from=billed.source,
        per_million_usd=per_million,
        per_million_busy_usd=till.usd(_busy_usage(till, bursts), _MILLION),
        per_million_instance_based_usd=till.usd(_instance_usage(configuration, bursts or warm), _MILLION),
        cold_start_usd=None if cold_ns is None else till.usd(till.usage(statistics.fmean(cold_ns), None)),
        region=till.region,
        priced_on=till.priced_on,
        notes=tuple(till.notes(billed.source, is_sharing_known=is_known)),
        per_million_interval=None if per_million is None else geometric_interval(list(rounds_usd.values())),
        usage=usage or {},
        experiment=experiment,
    )


def round_costs(rows: Rows, configuration: Configuration, prices: PriceTable) -> dict[int, list[float]]:
    """What a million warm requests cost, by the billed time of each round.

    Args:
        rows: A run's rows.
        configuration: The configuration.
        prices: The prices.

    Returns:
        One value in US dollars for each round; empty if unknown.
    """
    _, warm = _priced_requests(rows, configuration)
    billed = _billed(configuration, warm)
    if billed is None or not _is_sharing_known(configuration, warm):
        return {}
    return {number: [usd] for number, usd in _rounds_usd(_Till(configuration, prices), warm, billed).items()}


def monthly_cost(
    platform: str, usage: Usage, requests_per_month: float, prices: PriceTable, *, free_tier: bool = False
) -> float | None:
    """What a month of warm requests costs, the cheaper tiers of large quantities included.

    Args:
        platform: A platform's name.
        usage: What one request uses; see ``CostSummary.usage``.
        requests_per_month: How many requests.
        prices: The prices.
        free_tier: Whether to take off what is free each month.

    Returns:
        US dollars; ``None`` if the usage or a price is unknown.
    """
    costs = [
        cost_usd(prices.tiers(platform, item), quantity * requests_per_month, free_tier=free_tier)
        for item, quantity in usage.items()
    ]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if costs and len(known) == len(costs) else None


def estimated_cost_usd(
    platform: str,
    requests: int,
    latency_s: float,
    prices: PriceTable,
    memory_mb: int | None = None,
    cpus: float | None = None,
) -> float | None:
    """About what requests to a platform cost before anything was measured.

    Args:
        platform: A platform's name.
        requests: How many.
        latency_s: About how long each takes.
        prices: The prices.
        memory_mb: The memory of an instance; ``None`` takes the platform's default.
        cpus: Its vCPUs; ``None`` takes what comes with the memory.

    Returns:
        US dollars without the data processed, whose size is not known yet; ``None`` if a price is unknown.
    """
    if platform not in PLATFORMS or platform not in STEPS_NS:
        return None
    memory_mb = PLATFORMS[platform].default_memory_mb_of(cpus) if memory_mb is None else memory_mb
    cpus = PLATFORMS[platform].cpus_of(memory_mb) if cpus is None else cpus
    till = _Till(Configuration(platform, platform, platform, memory_mb=memory_mb, cpus=cpus), prices)
    return till.usd(till.usage(round_up(round(latency_s * 1e9), STEPS_NS[platform]), 0), requests)


@dataclass(frozen=True)
class _Till:
    """Prices one configuration's usage, and remembers which prices that took."""

    configuration: Configuration
    prices: PriceTable
    used: dict[Price, None] = field(default_factory=dict)
    absent: dict[str, None] = field(default_factory=dict)

    def usage(self, billed_ns: float, data_bytes: float | None) -> Usage | None:
        """What a request uses that is billed for so long; ``None`` if the instance's size or the data's is unknown."""
        memory_mb, cpus = self.configuration.memory_mb, self.configuration.cpus
        if memory_mb is None:
            return None
        if self.configuration.platform == "lambda":
            return lambda_usage(memory_mb, billed_ns)
        if self.configuration.platform == "sagemaker":
            return None if data_bytes is None else sagemaker_usage(memory_mb, billed_ns, data_bytes)
        return None if cpus is None else cloud_run_usage(cpus, memory_mb, billed_ns)

    def usd(self, usage: Usage | None, times: float = 1) -> float | None:
        """What so many requests cost, at the price of a month's first."""
        if usage is None:
            return None
        total: float | None = 0.0
        for item, quantity in usage.items():
            price = next(iter(self.prices.tiers(self.configuration.platform, item)), None)
            if price is None or price.usd is None:
                self.absent[item] = None
                total = None
                continue
            self.used[price] = None
            total = None if total is None else total + quantity * price.usd * times
        return total

    @property
    def region(self) -> str:
        return " and ".join(dict.fromkeys(price.region for price in self.used))

    @property
    def priced_on(self) -> str:
        return min((price.found for price in self.used if price.found), default="")

    def notes(self, source: str, *, is_sharing_known: bool) -> Iterator[str]:
        title = PLATFORMS[self.configuration.platform].title
        if not is_sharing_known:
            yield f"{title}: which of the requests at a time shared an instance is unknown, and so is what they cost."
        if self.configuration.memory_mb is None:
            yield f"{title}: the size of an instance is unknown, and so is what it costs."
        for item in self.absent:
            yield f"{title}: the price of {item} is unknown."
        for certainty in ("derived", "unverified"):
            for price in self.used:
                if price.certainty == certainty:
                    yield f"{title}: the price of {price.item} is {certainty}."
        if source == FROM_SERVER:
            yield f"{title}: billed time is the server's reported total, without what the platform adds."
        if self.configuration.platform == "sagemaker":
            yield f"{title}: AWS does not say whether a start is billed, so a cold start has no price."
        if self.configuration.platform == "cloudrun":
            yield f"{title}: a request that is alone on its instance is billed for a multiple of 100 ms."
            yield f"{title}: shutting down is billed as well, and not counted here."


def _priced_requests(rows: Rows, configuration: Configuration) -> tuple[Experiment, list[Request]]:
    """The warm requests by which a configuration is priced: bursts only where there is nothing else."""
    every = ((experiment, rows.counted_requests(configuration.label, experiment)) for experiment in _PRICED)
    return next((each for each in every if each[1]), (_PRICED[0], []))


def _billed(configuration: Configuration, requests: Sequence[Request]) -> BilledTime | None:
    if configuration.platform not in STEPS_NS:
        return None
    # Only Cloud Run's instances share.
    shared = shared_billed_time(requests, CLOUD_RUN_STEP_NS) if configuration.platform == "cloudrun" else None
    return shared or billed_time(configuration.platform, requests)


def _is_sharing_known(configuration: Configuration, requests: Sequence[Request]) -> bool:
    return (
        configuration.platform != "cloudrun"
        or all(each.invocation is not None for each in requests)
        or not may_share(requests)
    )


def _rounds_usd(till: _Till, requests: Sequence[Request], billed: BilledTime) -> dict[int, float]:
    data_bytes = _data_bytes(till.configuration, requests)
    costs = {
        number: till.usd(till.usage(statistics.fmean(values_ns), data_bytes), _MILLION)
        for number, values_ns in billed.rounds_ns.items()
    }
    return {number: usd for number, usd in costs.items() if usd is not None}


def _data_bytes(configuration: Configuration, requests: Sequence[Request]) -> float | None:
    sizes = [size for each in requests if (size := carried_bytes(configuration, each.sample)) is not None]
    return statistics.fmean(sizes) if sizes and len(sizes) == len(requests) else None


def _busy_usage(till: _Till, bursts: Sequence[Request]) -> Usage | None:
    """What one of several requests at once uses."""
    if till.configuration.platform == "cloudrun" and shared_billed_time(bursts, CLOUD_RUN_STEP_NS) is None:
        return None
    if (billed := _billed(till.configuration, bursts)) is None:
        return None
    return till.usage(statistics.fmean(billed.values_ns), _data_bytes(till.configuration, bursts))


def _instance_usage(configuration: Configuration, requests: Sequence[Request]) -> Usage | None:
    """What a request uses of an instance that is always busy, where Cloud Run bills instances as long as they run."""
    if configuration.platform != "cloudrun" or configuration.cpus is None or configuration.memory_mb is None:
        return None
    busy = shared_billed_time(requests, 1)
    if busy is None:
        return None
    return cloud_run_instance_usage(configuration.cpus, configuration.memory_mb, statistics.fmean(busy.values_ns))
