"""Whether the generator of load was what limited the load: by how late it sent, and by the CPU time it took."""

from collections import defaultdict
from collections.abc import Iterator

from serverless_dnn.bench.analysis.joining import Rows
from serverless_dnn.bench.analysis.statistics import percentile
from serverless_dnn.bench.configuration import Finding
from serverless_dnn.bench.load.samples import Sample
from serverless_dnn.bench.recorded_run import RecordedStep, RunData

SATURATED_PERCENT = 90.0
"""CPU used by a generator, in percent of one core, beyond which it may be what is measured."""
_LATE_NS, _LATE_SHARE = 1_000_000, 0.05
# What is due all at once is sent one by one, while the first are being served on what may be the same cores.
_LATE_IN_BURST_NS, _LATE_IN_BURST_SHARE = 10_000_000, 0.20
_ADVICE = "raise --generators, or send less"


def generator_saturated(data: RunData) -> Iterator[Finding]:
    """Find where the generator was late, or as busy as a process can be.

    Args:
        data: A run.

    Yields:
        A finding for each configuration and experiment, and one for the whole run.
    """
    rows = Rows(data)
    for each in data.run.configurations:
        yield from _late_in_open_loop(data, each.label, rows)
        yield from _late_in_bursts(each.label, rows)
    yield from _busy_in_steps(data)
    used = data.run.machine_load.get("generator_percent")
    if used is not None and used >= SATURATED_PERCENT:
        message = (
            f"a generator used {used:.0f} % of a core, expected less than {SATURATED_PERCENT:.0f} %, and may have "
            f"been the bottleneck: {_ADVICE}"
        )
        yield Finding("GENERATOR SATURATED", "invalid", message)


def _late_in_open_loop(data: RunData, label: str, rows: Rows) -> Iterator[Finding]:
    overloaded = _overloaded_rounds(data, label)
    sent = [each for each in rows.samples(label, "open") if each.is_counted and each.round not in overloaded]
    if not sent:
        return
    late_ns = _late_ns(sent)
    allowed_ns = max(_LATE_NS, _LATE_SHARE * _median_latency_ns(sent))
    # A generator that cannot keep up is late with most requests; one that shares its cores is with some.
    are_most_late = percentile(late_ns, 50) > allowed_ns
    percent = 50 if are_most_late else 99
    if (late := percentile(late_ns, percent)) > allowed_ns:
        message = (
            f"requests of the open loop should be sent within {allowed_ns / 1e6:.3g} ms of when they are "
            f"due, and {100 - percent} % were sent {late / 1e6:.3g} ms late or later: {_ADVICE}"
        )
        yield Finding("GENERATOR SATURATED", "invalid" if are_most_late else "doubtful", message, label)


def _late_in_bursts(label: str, rows: Rows) -> Iterator[Finding]:
    sent = [each for each in rows.samples(label, "burst") if each.is_counted]
    if not sent:
        return
    allowed_ns = max(_LATE_IN_BURST_NS, _LATE_IN_BURST_SHARE * _median_latency_ns(sent))
    if (late := percentile(_late_ns(sent), 50)) > allowed_ns:
        message = (
            f"half of a burst should be sent within {allowed_ns / 1e6:.3g} ms of when it is due, and was sent "
            f"{late / 1e6:.3g} ms late or later: {_ADVICE}"
        )
        yield Finding("GENERATOR SATURATED", "doubtful", message, label)


def _busy_in_steps(data: RunData) -> Iterator[Finding]:
    """By the busiest generator of each step, wherever it ran.

    In a closed loop of one sender, its time is part of the latency, and it cannot be what keeps others waiting.
    """
    steps: dict[tuple[str, str], list[RecordedStep]] = defaultdict(list)
    is_lone = data.run.options.get("workload", {}).get("concurrency", 1) == 1
    for step in data.steps:
        if step.experiment in ("open", "burst") or (step.experiment == "closed" and not is_lone):
            steps[step.configuration, step.experiment].append(step)
    for (label, experiment), every in steps.items():
        duration_ns = sum(step.duration_ns for step in every)
        percent = 100 * sum(step.generator_cpu_ns for step in every) / duration_ns if duration_ns else 0.0
        if percent >= SATURATED_PERCENT:
            message = (
                f"the busiest generator used {percent:.0f} % of a core ({experiment}), expected less than "
                f"{SATURATED_PERCENT:.0f} %, and may have been the bottleneck: {_ADVICE}"
            )
            # A burst of small requests is over before anything but its sending could have mattered.
            yield Finding("GENERATOR SATURATED", "doubtful" if experiment == "burst" else "invalid", message, label)


def _overloaded_rounds(data: RunData, label: str) -> set[int]:
    """Where more was tried than is carried, what is due waits for what is under way."""
    probes = [probe for probe in data.run.probes if probe.configuration == label]
    return {number for number, probe in enumerate(probes) if probe.keeps_objective is False}


def _late_ns(sent: list[Sample]) -> list[int]:
    return [sample.sent_ns - sample.scheduled_ns for sample in sent]


def _median_latency_ns(sent: list[Sample]) -> float:
    return percentile([sample.latency_ns for sample in sent], 50)
