"""What an option would do and cost under a load, for a month."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from serverless_dnn.bench.analysis.billing import Usage
from serverless_dnn.bench.analysis.cost import monthly_cost
from serverless_dnn.bench.analysis.prices import PriceTable
from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.simulation.behaviour import Behaviour, Floats
from serverless_dnn.bench.simulation.bills import SimulatedWindow, monthly_usages
from serverless_dnn.bench.simulation.demand import MONTH_S, Demand
from serverless_dnn.bench.simulation.options import Candidate, Option, Quotas, concurrencies
from serverless_dnn.bench.simulation.scaling import Scaling
from serverless_dnn.bench.simulation.simulate import simulate

# By then what a window began with is forgotten; where many are in flight, their number hardly varies.
_SETTLING_SERVICES, _SETTLING_SERVICES_OF_MANY = 10, 3
_MANY = 100


@dataclass(frozen=True)
class Market:
    """What is the same for all options.

    Attributes:
        slo_p99_ms: The objective.
        prices: What platforms charge.
        quotas: How far they may scale.
        free_tier: Whether what is free each month is taken off.
        seed: Of everything random.
        start_extra_ms: How much longer every cold start takes than was measured.
    """

    slo_p99_ms: float
    prices: PriceTable
    quotas: Quotas = field(default_factory=Quotas)
    free_tier: bool = False
    seed: int = 0
    start_extra_ms: float = 0.0

    def __post_init__(self) -> None:
        if not self.slo_p99_ms > 0:
            raise OptionError(f"expected an objective above 0 ms, got {self.slo_p99_ms:g}")
        if not 0 <= self.start_extra_ms < math.inf:
            raise OptionError(f"expected cold starts to take 0 ms longer or more, got {self.start_extra_ms:g}")


@dataclass(frozen=True)
class Prediction:
    """What an option would do and cost.

    Attributes:
        option: The option.
        p50_ms: Half of all requests are answered within so long; infinite if they are refused.
        p99_ms: Likewise 99 %.
        within_share: The share of requests answered within the objective.
        cold_share: The share that met a cold start.
        refused_share: The share that was refused.
        most_instances: The most instances at a time.
        usd_per_month: US dollars; ``None`` if a price is unknown.
        billing: By which of the platform's ways, the cheapest that is known.
        unpriced: The items whose price is unknown, if no way is known.
        ways_left_out: Those items by way of billing, where another way is known: what was left out may be cheaper.
        simulated: How many requests it is made of.
    """

    option: Option
    p50_ms: float
    p99_ms: float
    within_share: float
    cold_share: float
    refused_share: float
    most_instances: int
    usd_per_month: float | None
    billing: str
    unpriced: tuple[str, ...]
    simulated: int
    ways_left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def keeps_objective(self) -> bool:
        """Whether at least 99 % of the requests are answered within it."""
        return self.within_share >= 0.99

    @property
    def rank(self) -> tuple[bool, float, float]:
        """The smaller, the better: keeps the objective, costs less, is faster."""
        return (not self.keeps_objective, math.inf if self.usd_per_month is None else self.usd_per_month, self.p99_ms)


def evaluate(option: Option, demand: Demand, market: Market, requests: int) -> Prediction:
    """Simulate an option.

    Args:
        option: The option.
        demand: The load.
        market: The objective, prices and quotas.
        requests: About how many requests are to count.

    Returns:
        What it would do and cost.
    """
    scaling = option.scaling(market.quotas)
    windows = _simulate_windows(option, scaling, demand, market.seed, requests)
    most_rate = capacity(option.candidate.behaviour, scaling)
    bill = _cheapest(option, windows, demand, market)
    latencies_ms = np.concatenate([_latencies_ms(each, scaling, most_rate) for each in windows])
    weights = np.concatenate([np.full(each.counted, each.window.share / each.counted) for each in windows])
    weights /= np.sum(weights)
    cold = np.concatenate([each.outcome.cold[each.window.first_counted :] for each in windows])
    p50_ms, p99_ms = weighted_percentiles(latencies_ms, weights, (50, 99))
    return Prediction(
        option=option,
        p50_ms=p50_ms,
        p99_ms=p99_ms,
        within_share=min(1.0, float(np.sum(weights[latencies_ms <= market.slo_p99_ms]))),
        cold_share=float(np.sum(weights[cold])),
        refused_share=float(np.sum(weights[np.isinf(latencies_ms)])),
        most_instances=max(int(np.max(each.outcome.instance_counts(each.outcome.arrivals_s))) for each in windows),
        usd_per_month=bill.usd,
        billing=bill.way,
        unpriced=bill.unpriced.get(bill.way, ()),
        simulated=latencies_ms.size,
        ways_left_out=bill.unpriced if bill.usd is not None else {},
    )


def evaluate_all(candidate: Candidate, demand: Demand, market: Market, requests: int) -> Sequence[Prediction]:
    """Simulate everything that can be set on a candidate.

    Args:
        candidate: The candidate.
        demand: The load.
        market: The objective, prices and quotas.
        requests: About how many requests are to count.
    """
    options = [Option(candidate, each) for each in concurrencies(candidate)]
    return [each for option in options for each in evaluate_kept(option, demand, market, requests)]


def evaluate_kept(option: Option, demand: Demand, market: Market, requests: int) -> Sequence[Prediction]:
    """Simulate an option with no always-running instance, with one, and with as many as the load needs.

    That is as many as it usually needs, and as many as it needed at most.

    Args:
        option: The option, without such instances.
        demand: The load.
        market: The objective, prices and quotas.
        requests: About how many requests are to count.
    """
    first = evaluate(option, demand, market, requests)
    # Those of Cloud Run cost no less than others, and help only against cold starts.
    if option.candidate.platform == "cloudrun" and first.cold_share < (0.01 if first.keeps_objective else 1e-9):
        return (first,)
    usual = usual_instances(option, option.scaling(market.quotas), demand.rate)
    quota = market.quotas.of(option.candidate.platform)
    counts = sorted({each for each in (1, usual, first.most_instances) if 0 < each <= quota})
    return (first, *(evaluate(replace(option, kept_instances=each), demand, market, requests) for each in counts))


def weighted_percentiles(values: Floats, weights: Floats, percents: Sequence[float]) -> tuple[float, ...]:
    """Nearest-rank percentiles of values that stand for unequal numbers of requests.

    Args:
        values: The values.
        weights: How much each stands for; they add up to 1.
        percents: Which percentiles.
    """
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    # Sums of floats: a hair below 1 must not miss the last value.
    places = np.searchsorted(reached, np.array(percents) / 100 - 1e-9)
    return tuple(values[order][np.minimum(places, values.size - 1)].tolist())


def usual_instances(option: Option, scaling: Scaling, rate: float) -> int:
    """About how many instances a rate keeps.

    Args:
        option: The option.
        scaling: Its rules.
        rate: Requests a second.
    """
    behaviour = option.candidate.behaviour
    return scaling.usual_instances(rate, behaviour.mean_service_s, behaviour.cpus_per_request / behaviour.cpus)


def capacity(behaviour: Behaviour, scaling: Scaling) -> float:
    """How many requests a second all instances can do.

    Args:
        behaviour: How long they take.
        scaling: How many instances there can be, and how many requests each takes at a time.
    """
    computed = min(scaling.requests_per_instance, behaviour.workers or scaling.requests_per_instance)
    return scaling.max_instances * computed / (behaviour.mean_service_s * behaviour.slowdown(computed))


def _simulate_windows(
    option: Option, scaling: Scaling, demand: Demand, seed: int, requests: int
) -> Sequence[SimulatedWindow]:
    behaviour = option.candidate.behaviour
    is_many = demand.rate * behaviour.mean_service_s > _MANY
    settle_s = (_SETTLING_SERVICES_OF_MANY if is_many else _SETTLING_SERVICES) * behaviour.mean_service_s
    windows = []
    for number, window in enumerate(demand.windows(requests, settle_s, seed)):
        usual = window.usual_rate
        warm, rules = (0, scaling) if usual is None else (usual_instances(option, scaling, usual), scaling.after(usual))
        outcome = simulate(window.arrivals_s, behaviour, rules, warm_instances=warm, seed=seed + number)
        windows.append(SimulatedWindow(window, outcome))
    return windows


def _latencies_ms(each: SimulatedWindow, scaling: Scaling, most_rate: float) -> Floats:
    """Latencies, infinite where a request is refused.

    Where more comes than all instances can do, and may wait, requests wait longer and longer until as many are refused
    as are too many. A window is too short to see that, and it lasts: those that are answered have waited as long as is
    allowed.
    """
    latencies_ms = each.outcome.latencies_s[each.window.first_counted :] * 1e3
    refused = each.outcome.refused[each.window.first_counted :]
    rate = each.window.usual_rate
    if rate is not None and rate > most_rate and scaling.max_wait_s > 0:
        turns = np.arange(latencies_ms.size) * (most_rate / rate)
        refused = refused | (np.floor(turns) == np.floor(turns - most_rate / rate))
        latencies_ms = latencies_ms + scaling.max_wait_s * 1e3
    return np.where(refused, math.inf, latencies_ms)


@dataclass(frozen=True)
class _Bill:
    """A month's bill.

    Attributes:
        usd: US dollars; ``None`` if a price is unknown.
        way: By which of the platform's ways.
        unpriced: By way, the items whose price is unknown.
    """

    usd: float | None
    way: str
    unpriced: Mapping[str, tuple[str, ...]]


def _cheapest(option: Option, windows: Sequence[SimulatedWindow], demand: Demand, market: Market) -> _Bill:
    """The cheapest way of billing whose prices are known, or else the first."""
    platform = option.candidate.platform
    known: list[tuple[float, str]] = []
    unpriced: dict[str, tuple[str, ...]] = {}
    for way, usage in monthly_usages(option.size, windows, demand.rate * MONTH_S).items():
        usd = monthly_cost(platform, usage, 1, market.prices, free_tier=market.free_tier)
        if usd is None:
            unpriced[way] = tuple(item for item in usage if _is_unpriced(platform, item, usage, market))
        else:
            known.append((usd, way))
    return _Bill(*min(known), unpriced) if known else _Bill(None, next(iter(unpriced)), unpriced)


def _is_unpriced(platform: str, item: str, usage: Usage, market: Market) -> bool:
    return monthly_cost(platform, {item: usage[item]}, 1, market.prices, free_tier=market.free_tier) is None
