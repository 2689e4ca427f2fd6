"""Which of a run's configurations carry advice, and how their instances behaved."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from serverless_dnn.bench.analysis.bodies import carried_bytes
from serverless_dnn.bench.analysis.joining import Request, Rows
from serverless_dnn.bench.analysis.results import RunSummary
from serverless_dnn.bench.analysis.statistics import is_carried, needed_count
from serverless_dnn.bench.configuration import Configuration, MeasuredConfiguration
from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.platforms import PLATFORMS
from serverless_dnn.bench.recorded_run import Run, RunData
from serverless_dnn.bench.simulation.behaviour import Behaviour
from serverless_dnn.bench.simulation.bills import Size
from serverless_dnn.bench.simulation.loaded_times import loaded_times
from serverless_dnn.bench.simulation.options import CONCURRENCIES, Candidate
from serverless_dnn.bench.simulation.sharing import slowdowns_of

SIMULATED_PLATFORMS = ("lambda", "sagemaker", "cloudrun")
_WARM_NEEDED = 400
_COLD_NEEDED = 6


def candidates_of(
    data: RunData, summary: RunSummary, *, with_beside: bool = False
) -> tuple[tuple[Candidate, ...], Mapping[str, str]]:
    """The configurations of a run that carry advice.

    Args:
        data: The run.
        summary: Its numbers.
        with_beside: Whether those that are shown beside the compared ones are among them.

    Returns:
        The candidates, and why others are left out, by label.

    Raises:
        OptionError: No configuration carries it; the message says what is missing.
    """
    return candidates_of_runs([(data, summary)], with_beside=with_beside)


def candidates_of_runs(
    runs: Sequence[tuple[RunData, RunSummary]], *, with_beside: bool = False
) -> tuple[tuple[Candidate, ...], Mapping[str, str]]:
    """The configurations of several runs of one model that carry advice.

    Args:
        runs: Each run with its numbers.
        with_beside: Whether those that are shown beside the compared ones are among them.

    Returns:
        The candidates, and why others are left out, by label; with the run's number where two share one.

    Raises:
        OptionError: The runs measured different models, or no configuration carries it; the message says what is
            missing.
    """
    models = list(dict.fromkeys(data.run.model for data, _ in runs))
    if len(models) > 1:
        raise OptionError(f"expected runs of one model, got {', '.join(models)}: ask about each by itself")
    counts = Counter(each.label for data, _ in runs for each in data.run.configurations)
    found: list[Candidate] = []
    missing: dict[str, str] = {}
    for number, (data, summary) in enumerate(runs, 1):
        names = {
            each.label: f"{each.label} (run {number})" if counts[each.label] > 1 else each.label
            for each in data.run.configurations
        }
        carrying, absent = _of_run(data, summary, with_beside=with_beside)
        found += [replace(each, label=names[each.label]) for each in carrying]
        missing |= {names[label]: reason for label, reason in absent.items()}
    if not found:
        reasons = "; ".join(f"{label}: {reason}" for label, reason in missing.items()) or "nothing was compared"
        raise OptionError(f"this does not carry advice: {reasons}")
    if len({each.engine for each in found}) == 1:
        found = [replace(each, engine="") for each in found]
    return tuple(found), missing


def _of_run(data: RunData, summary: RunSummary, *, with_beside: bool) -> tuple[Sequence[Candidate], Mapping[str, str]]:
    found, missing = [], {}
    rows = Rows(data)
    for measured in data.run.configurations:
        if measured.configuration.role != "compared" and not with_beside:
            continue
        try:
            found.append(_candidate(data.run, rows, summary, measured))
        except OptionError as error:
            missing[measured.label] = str(error)
    return found, missing


def _candidate(run: Run, rows: Rows, summary: RunSummary, measured: MeasuredConfiguration) -> Candidate:
    configuration = measured.configuration
    platform, memory_mb, cpus = configuration.platform, configuration.memory_mb, configuration.cpus
    if platform not in SIMULATED_PLATFORMS:
        raise OptionError(f"no scaling rules and prices are known of {platform or 'its platform'}")
    if memory_mb is None or cpus is None:
        raise OptionError("the memory and vCPUs of its instances are unknown")
    invalid = [
        each.code
        for each in run.findings
        if each.severity == "invalid" and each.configuration in (None, measured.label)
    ]
    # An interrupted run carries what it has enough of.
    if codes := sorted({code for code in invalid if code != "INCOMPLETE"}):
        raise OptionError(f"its numbers must not be used ({', '.join(codes)}): measure it again")
    in_flight = (run.options.get("workload") or {}).get("concurrency", 1)
    if in_flight != 1:
        raise OptionError(f"{in_flight} requests were in flight at a time: run with --in-flight 1")
    warm, cold = _requests(rows, [each.configuration for each in run.configurations], configuration)
    data_bytes = [size for each in warm if (size := carried_bytes(configuration, each.sample)) is not None]
    if platform == "sagemaker" and len(data_bytes) < len(warm):
        raise OptionError("the sizes of its requests are unknown, and SageMaker bills them")
    # OpenVINO computes one request at a time, with all vCPUs; the others wait inside the server.
    engine = measured.engine or ""
    workers = 1 if engine.startswith("openvino") else None
    behaviour = behaviour_of(platform, warm, cold)
    # Requests that were computed at once have slowed one another down already.
    if workers or configuration.requests_per_instance == 1:
        behaviour = _under_load(behaviour, rows.counted_requests(configuration.label, "open"), warm)
    cpu_ms = summary.of(measured.label).cpu_ms_per_request
    used = cpus if cpu_ms is None else min(cpus, cpu_ms / 1e3 / behaviour.mean_service_s)
    bursts = rows.counted_requests(configuration.label, "burst")
    slowdowns = () if workers else slowdowns_of(warm, bursts, configuration.requests_per_instance)
    return Candidate(
        label=measured.label,
        title=PLATFORMS[platform].title,
        engine=engine,
        size=Size(platform, memory_mb, cpus, float(np.mean(data_bytes)) if data_bytes else 0.0),
        behaviour=replace(behaviour, cpus=cpus, cpus_per_request=used, workers=workers, slowdowns=slowdowns),
        # Less than one vCPU takes one request at a time: https://cloud.google.com/run/docs/configuring/services/cpu.
        max_requests_per_instance=max(CONCURRENCIES) if platform == "cloudrun" and cpus >= 1 else 1,
        note=_note(configuration),
    )


def _requests(
    rows: Rows, configurations: Sequence[Configuration], configuration: Configuration
) -> tuple[list[Request], list[Request]]:
    """The warm requests and the cold starts of a configuration.

    One that is shown beside another was measured only where it differs from that: a body's format says nothing of how
    an instance starts, and a compiled cache nothing of how it answers once it runs.
    """
    warm = rows.counted_requests(configuration.label, "closed")
    cold = rows.counted_requests(configuration.label, "cold")
    if configuration.cache == "empty" and not warm:
        warm = [
            each for label in _alike(configurations, configuration) for each in rows.counted_requests(label, "closed")
        ]
    elif configuration.role == "beside" and not cold:
        cold = [
            each for label in _alike(configurations, configuration) for each in rows.counted_requests(label, "cold")
        ]
    if not is_carried(len(warm), 99):
        needed = _WARM_NEEDED if configuration.role == "compared" else 4 * _WARM_NEEDED
        raise OptionError(
            f"{len(warm)} warm requests say nothing about p99, it takes {needed_count(99)}: "
            f"run with --requests {needed}"
        )
    if not cold:
        raise OptionError(f"no cold start was measured: run with --cold-starts {_COLD_NEEDED}")
    return warm, cold


def _alike(configurations: Sequence[Configuration], configuration: Configuration) -> list[str]:
    """The compared configuration with the same instances."""

    def instances_of(each: Configuration) -> tuple[object, ...]:
        return each.platform, each.memory_mb, each.cpus, each.engine, each.requests_per_instance, each.variables

    wanted = instances_of(configuration)
    return [each.label for each in configurations if each.role == "compared" and instances_of(each) == wanted]


def _note(configuration: Configuration) -> str:
    """What tells a configuration that is shown beside another from that."""
    if configuration.role == "compared":
        return ""
    return "empty cache" if configuration.cache == "empty" else f"{configuration.body_format} bodies"


def behaviour_of(platform: str, warm: Sequence[Request], cold: Sequence[Request]) -> Behaviour:
    """How long instances took.

    Args:
        platform: The platform's name.
        warm: Requests to instances that had answered before; at least one.
        cold: Requests for which an instance was started; may be none.

    Returns:
        The times, for a simulation to draw from.

    Raises:
        OptionError: Neither the platform nor the server told.
    """
    warm_s = np.array([_warm_times_s(each) for each in warm])
    typical_s = float(np.median(warm_s[:, 1]))
    cold_s = np.array([_cold_times_s(each, platform, typical_s) for each in cold]).reshape(-1, 4)
    return Behaviour(
        service_s=warm_s[:, 0],
        overhead_s=warm_s[:, 1],
        start_s=cold_s[:, 0],
        start_billed_s=cold_s[:, 1],
        first_service_s=cold_s[:, 2],
        first_overhead_s=cold_s[:, 3],
    )


def _under_load(behaviour: Behaviour, opened: Sequence[Request], one_after_another: Sequence[Request]) -> Behaviour:
    """The times of an open loop where enough were measured: requests there come as they do in production."""
    times = loaded_times(opened, one_after_another) if is_carried(len(opened), 99) else None
    if times is None:
        return behaviour
    overhead_s = times.outside_s + times.handing_s
    return replace(behaviour, service_s=times.service_s, overhead_s=overhead_s, is_under_load=True)


def _warm_times_s(request: Request) -> tuple[float, float]:
    """How long the instance had it, and what the client waited beyond that.

    One after another they wait for nothing, so that all of that is platform, network and client.
    """
    sample, invocation = request.sample, request.invocation
    if invocation is not None and invocation.end_ns - invocation.arrival_ns <= sample.latency_ns:
        inside_ns = invocation.duration_ns
    elif sample.server_total_ns is not None:
        inside_ns = min(sample.server_total_ns, sample.latency_ns)
    else:
        raise OptionError("neither the platform nor the server told how long its requests took")
    service_ns = inside_ns - (sample.server_queue_ns or 0)
    return service_ns / 1e9, (sample.latency_ns - service_ns) / 1e9


def _cold_times_s(request: Request, platform: str, typical_overhead_s: float) -> tuple[float, float, float, float]:
    """How long the start took, what is billed of that, the first request, and what the client waited beyond them."""
    sample, invocation = request.sample, request.invocation
    latency_s = sample.latency_ns / 1e9
    if invocation is not None and invocation.end_ns - invocation.arrival_ns <= sample.latency_ns:
        start_s = (invocation.begin_ns - invocation.arrival_ns) / 1e9
        first_s = invocation.duration_ns / 1e9
        overhead_s = latency_s - start_s - first_s
        init_s = (invocation.init_ns or 0) / 1e9
    elif sample.server_total_ns is not None:
        first_s = sample.server_total_ns / 1e9
        overhead_s = min(typical_overhead_s, latency_s - first_s)
        start_s = latency_s - first_s - overhead_s
        init_s = (sample.cold_ns or 0) / 1e9
    else:
        raise OptionError("neither the platform nor the server told how long its cold starts took")
    billed_s = {"lambda": min(init_s, start_s), "sagemaker": 0.0, "cloudrun": start_s}[platform]
    return start_s, billed_s, first_s, overhead_s
