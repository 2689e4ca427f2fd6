"""Everything a report shows, computed from a run's rows alone."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from serverless_dnn.bench.analysis.answer import answer
from serverless_dnn.bench.analysis.carried_load import carried_load
from serverless_dnn.bench.analysis.choices import (
    choose,
    judge_objective,
    main_experiment,
    per_million_usd,
    within_slo,
)
from serverless_dnn.bench.analysis.cost import round_costs, summarize_cost
from serverless_dnn.bench.analysis.estimates import Rounds, estimate, paired_ratio
from serverless_dnn.bench.analysis.joining import Request, Rows
from serverless_dnn.bench.analysis.prices import PriceTable
from serverless_dnn.bench.analysis.results import (
    ColdSummary,
    ConfigurationSummary,
    Estimate,
    Ratio,
    RunSummary,
    WarmSummary,
)
from serverless_dnn.bench.analysis.statistics import percentile
from serverless_dnn.bench.analysis.steady import is_stable, windows_of
from serverless_dnn.bench.analysis.summary_parts import cold_phases_ms, mean_latency_ms, request_parts_ms
from serverless_dnn.bench.configuration import Configuration, MeasuredConfiguration
from serverless_dnn.bench.load.samples import OK, Experiment
from serverless_dnn.bench.recorded_run import RunData, prices_of

PERCENTS: tuple[float, ...] = (50, 90, 95, 99, 99.9)
WARM_EXPERIMENTS: tuple[Experiment, ...] = ("closed", "burst", "open")
# CPU time is told apart by how many requests each instance answered, so some must have answered many more.
_MIN_REQUESTS_APART = 10


def summarize(data: RunData, *, slo_p99_ms: float | None = None, prices: PriceTable | None = None) -> RunSummary:
    """Compute everything that a report shows.

    Args:
        data: A run.
        slo_p99_ms: The objective for p99; ``None`` takes the run's own, if it has one.
        prices: The prices; ``None`` takes those that the run was made with.

    Returns:
        The summary.
    """
    table = prices_of(data.run) if prices is None else prices
    objective_ms = data.run.options.get("slo_p99_ms") if slo_p99_ms is None else slo_p99_ms
    rows = Rows(data)
    configurations = tuple(_configuration(data, rows, each, table) for each in data.run.configurations)
    compared = [each for each in configurations if each.measured.configuration.role == "compared"]
    ratios, cost_ratios = _ratios(rows, compared), _cost_ratios(rows, compared, table)
    keeping = () if objective_ms is None else within_slo(compared, objective_ms)
    if data.run.kind == "capacity":
        return RunSummary(configurations, (), carried_load(data.run.probes, objective_ms), objective_ms)
    return RunSummary(
        configurations=configurations,
        ratios=ratios,
        answer=answer(data.run.model, compared, ratios, objective_ms, cost_ratios),
        slo_p99_ms=objective_ms,
        within_slo=keeping,
        choices=choose([each for each in compared if objective_ms is None or each.label in keeping]),
        objective={} if objective_ms is None else judge_objective(compared, objective_ms),
        cost_ratios=cost_ratios,
        in_flight=data.run.options.get("workload", {}).get("concurrency", 1),
    )


def _configuration(
    data: RunData, rows: Rows, measured: MeasuredConfiguration, prices: PriceTable
) -> ConfigurationSummary:
    label = measured.label
    # The requests of a search for the capacity are of many rates; what each led to is told by its probes.
    has_warm = data.run.kind != "capacity"
    floor_ms = _median(rows.latencies_ms(label, "floor"))
    warm = {
        experiment: _warm(label, experiment, requests, floor_ms)
        for experiment in WARM_EXPERIMENTS
        if has_warm and (requests := rows.requests(label, experiment))
    }
    cold = rows.requests(label, "cold")
    return ConfigurationSummary(
        measured=measured,
        warm=warm,
        cold=_cold(label, cold) if cold else None,
        cost=summarize_cost(rows, measured.configuration, prices) if has_warm else None,
        floor_ms=floor_ms,
        connect_ms=_median(rows.latencies_ms(label, "connect")),
        max_memory_mb=_max_memory_mb(data, measured.configuration),
        cpu_ms_per_request=_cpu_ms_per_request(data, label),
    )


def _warm(label: str, experiment: Experiment, requests: Sequence[Request], floor_ms: float | None) -> WarmSummary:
    counted = [each for each in requests if each.sample.is_counted]
    latencies = _rounds_ms(counted, lambda each: each.sample.latency_ns)
    percentiles = {percent: estimate(latencies, percent) for percent in PERCENTS}
    return WarmSummary(
        label=label,
        experiment=experiment,
        requests=len(requests),
        failures=Counter(each.sample.status for each in requests if each.sample.status != OK),
        set_apart=Counter(each.sample.set_apart for each in requests if each.sample.set_apart is not None),
        percentiles_ms={percent: each for percent, each in percentiles.items() if each is not None},
        compute_ms=_estimate_of_all(counted, lambda each: each.sample.server_compute_ns),
        server_ms=_estimate_of_all(counted, lambda each: each.sample.server_total_ns),
        parts_ms=request_parts_ms(counted, floor_ms),
        mean_ms=mean_latency_ms(counted) if counted else None,
        rate=_rate(counted),
        is_stable=is_stable(windows_of(list(latencies.values()))),
    )


def _cold(label: str, requests: Sequence[Request]) -> ColdSummary:
    counted = [each for each in requests if each.sample.is_counted]
    done = {each.sample.round for each in counted}
    # A start of the wrong kind that was replaced in its round was neither asked for nor a failure.
    lost = [
        each.sample.set_apart or each.sample.status
        for each in requests
        if not each.sample.is_counted and (each.sample.set_apart is None or each.sample.round not in done)
    ]
    return ColdSummary(
        label=label,
        starts=len(counted) + len(lost),
        failures=Counter(lost),
        total_ms=estimate(_rounds_ms(counted, lambda each: each.sample.latency_ns), 50),
        totals_ms=tuple(each.sample.latency_ns / 1e6 for each in counted),
        phases_ms=cold_phases_ms(counted),
    )


def _ratios(rows: Rows, compared: Sequence[ConfigurationSummary]) -> tuple[Ratio, ...]:
    """Of every compared configuration to the fastest, in the experiment that all of them took part in."""
    experiment = main_experiment(compared)
    if experiment is None:
        return ()
    medians = {
        each.label: each.warm[experiment].percentiles_ms[50].value
        for each in compared
        if experiment in each.warm and 50 in each.warm[experiment].percentiles_ms
    }
    if not medians:
        return ()
    baseline = min(medians, key=lambda label: medians[label])
    of_baseline = rows.latencies_ms(baseline, experiment)
    ratios = []
    for label in medians:
        ratio = None if label == baseline else paired_ratio(rows.latencies_ms(label, experiment), of_baseline)
        if ratio is not None:
            ratios.append(Ratio(label, baseline, experiment, 50, ratio))
    return tuple(ratios)


def _cost_ratios(rows: Rows, compared: Sequence[ConfigurationSummary], prices: PriceTable) -> dict[str, Estimate]:
    """How many times as much each compared configuration costs as the cheapest, in the rounds that both have."""
    costs = {each.label: usd for each in compared if (usd := per_million_usd(each)) is not None}
    if len(costs) < 2:
        return {}
    of_rounds = {
        each.label: round_costs(rows, each.measured.configuration, prices) for each in compared if each.label in costs
    }
    cheapest = min(costs, key=lambda label: costs[label])
    ratios = {label: paired_ratio(of_rounds[label], of_rounds[cheapest]) for label in costs if label != cheapest}
    return {label: ratio for label, ratio in ratios.items() if ratio is not None}


def _rounds_ms(requests: Sequence[Request], duration_of: Callable[[Request], int | None]) -> dict[int, list[float]]:
    rounds: dict[int, list[float]] = defaultdict(list)
    for each in requests:
        if (duration_ns := duration_of(each)) is not None:
            rounds[each.sample.round].append(duration_ns / 1e6)
    return rounds


def _estimate_of_all(requests: Sequence[Request], duration_of: Callable[[Request], int | None]) -> Estimate | None:
    """The median, if all requests report it."""
    rounds = _rounds_ms(requests, duration_of)
    return estimate(rounds, 50) if sum(map(len, rounds.values())) == len(requests) else None


def _median(rounds: Rounds) -> float | None:
    values = [value for each in rounds.values() for value in each]
    return percentile(values, 50) if values else None


def _rate(counted: Sequence[Request]) -> float | None:
    ends_ns: dict[int, int] = defaultdict(int)
    for each in counted:
        sample = each.sample
        ends_ns[sample.round] = max(ends_ns[sample.round], sample.scheduled_ns + sample.latency_ns)
    total_s = sum(ends_ns.values()) / 1e9
    return len(counted) / total_s if total_s else None


def _max_memory_mb(data: RunData, configuration: Configuration) -> int | None:
    used = [row.record.max_memory_mb for row in data.instances if row.deployment == configuration.deployment]
    used += [row.invocation.max_memory_mb for row in data.invocations if row.configuration == configuration.label]
    # A process that was gone before it could be asked has 0.
    return max(used, default=0) or None


def _cpu_ms_per_request(data: RunData, label: str) -> float | None:
    """Of the closed loop, or whatever warm experiment there is."""
    for experiment in ("closed", "open", "burst"):
        steps = [step for step in data.steps if (step.configuration, step.experiment) == (label, experiment)]
        times_ns = [step.instances_cpu_ns for step in steps if step.instances_cpu_ns is not None]
        requests = sum(step.requests for step in steps)
        if requests and len(times_ns) == len(steps):
            return sum(times_ns) / requests / 1e6
    return None
