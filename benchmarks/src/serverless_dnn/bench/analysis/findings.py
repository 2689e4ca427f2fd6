"""What whoever reads a run's numbers must know: each finding says what was expected, what came, and what to do."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from serverless_dnn.bench.analysis.bodies import went_by_url
from serverless_dnn.bench.analysis.estimates import estimate
from serverless_dnn.bench.analysis.joining import Rows
from serverless_dnn.bench.analysis.saturation import generator_saturated
from serverless_dnn.bench.analysis.statistics import percentile
from serverless_dnn.bench.analysis.steady import TOLERANCE, WINDOWS, is_precise, is_stable, windows_of
from serverless_dnn.bench.configuration import Configuration, Finding
from serverless_dnn.bench.load.samples import OK, TOO_LARGE, Experiment, Sample
from serverless_dnn.bench.platforms import PLATFORMS
from serverless_dnn.bench.recorded_run import RunData
from serverless_dnn.bench.targets.records import OUT_OF_MEMORY, InstanceRecord

BUSY_PERCENT = 10.0
"""CPU used by others, in percent of all cores, beyond which they disturb."""
_WARM: tuple[Experiment, ...] = ("closed", "burst", "open")
_STEADY: tuple[Experiment, ...] = ("closed", "open")
# The first of them that was measured is what a run goes on for.
_PRECISE: tuple[Experiment, ...] = ("closed", "open", "burst")
_SEVERITIES = ("invalid", "doubtful", "note")
_QUOTED_LETTERS = 200


def judge(data: RunData) -> list[Finding]:
    """Judge a run by its rows.

    Args:
        data: A run. What it has been found already is not found again.

    Returns:
        The findings, the gravest first.
    """
    rules: Sequence[Callable[[RunData], Iterator[Finding]]] = (
        _incomplete,
        _failed_requests,
        _too_large,
        _by_url,
        _out_of_memory,
        _wrong_kind,
        generator_saturated,
        _unstable,
        _imprecise,
        _too_few_rounds,
        _busy_machine,
        _oversubscribed,
        _not_enforced,
    )
    known = {finding.code for finding in data.run.findings}
    found = [finding for rule in rules for finding in rule(data) if finding.code not in known]
    return sorted(found, key=lambda finding: _SEVERITIES.index(finding.severity))


def _incomplete(data: RunData) -> Iterator[Finding]:
    counted = {(sample.configuration, sample.experiment) for sample in data.samples if sample.is_counted}
    failed = {(sample.configuration, sample.experiment) for sample in data.samples if sample.status != OK}
    refused = {sample.configuration for sample in data.samples if sample.status == TOO_LARGE}
    compared = [
        each.label
        for each in data.run.configurations
        if each.configuration.role == "compared" and each.label not in refused
    ]
    for experiment in _WARM:
        if not any((label, experiment) in counted for label in compared):
            continue
        for label in compared:
            if (label, experiment) not in counted | failed:
                message = f"expected {experiment} requests as the others have, got none: measure it again"
                yield Finding("INCOMPLETE", "invalid", message, label)


def _failed_requests(data: RunData) -> Iterator[Finding]:
    sent: dict[str, int] = defaultdict(int)
    failed: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    for sample in data.samples:
        sent[sample.configuration] += 1
        if sample.status not in (OK, TOO_LARGE):
            failed[sample.configuration, sample.status].append(sample)
    remote = {each.label for each in data.run.configurations if not each.is_local}
    for (label, status), samples in failed.items():
        experiments = ", ".join(dict.fromkeys(sample.experiment for sample in samples))
        log = "" if label in remote else "see its log; "
        message = (
            f"{len(samples)} of {sent[label]} requests failed with {status} ({experiments}), expected none: {log}the "
            f"first said: {_one_line(samples[0].error or status)}"
        )
        yield Finding("FAILED REQUESTS", "invalid", message, label)


def _one_line(text: str) -> str:
    """What a server said, which may be a whole web page."""
    line = " ".join(text.split())
    return line if len(line) <= _QUOTED_LETTERS else f"{line[: _QUOTED_LETTERS - 1]}…"


def _too_large(data: RunData) -> Iterator[Finding]:
    first: dict[str, Sample] = {}
    for sample in data.samples:
        if sample.status == TOO_LARGE:
            first.setdefault(sample.configuration, sample)
    configurations = {each.label: each.configuration for each in data.run.configurations}
    for label, sample in first.items():
        configuration = configurations[label]
        takes_urls = configuration.url is None and PLATFORMS[configuration.platform].payload_bytes is not None
        advice = "; with --by-url it is" if takes_urls and configuration.body_format != "json" else ""
        message = (
            f"its requests or responses are larger than the platform takes, so it is not compared{advice}: "
            f"{sample.error}"
        )
        yield Finding("TOO LARGE", "note", message, label)


def _by_url(data: RunData) -> Iterator[Finding]:
    for each in data.run.configurations:
        if went_by_url(each.configuration, each.bytes_sent, each.bytes_received):
            largest = max(each.bytes_sent or 0, each.bytes_received or 0)
            message = (
                f"its tensors, of up to {largest / 1e6:.1f} MB, went by pre-signed URLs of an object store on this "
                "machine: its times have no network to a store in them, and its cost has no store"
            )
            yield Finding("BY URL", "note", message, each.label)


def _out_of_memory(data: RunData) -> Iterator[Finding]:
    killed: dict[str, list[InstanceRecord]] = defaultdict(list)
    for row in data.instances:
        if row.record.end_reason is not None and OUT_OF_MEMORY in row.record.end_reason:
            killed[row.deployment].append(row.record)
    for deployment, instances in killed.items():
        sharing = [
            each.configuration for each in data.run.configurations if each.configuration.deployment == deployment
        ]
        memory_mb = next((each.memory_mb for each in sharing if each.memory_mb is not None), None)
        needs = "more than its instances have" if memory_mb is None else f"more than {memory_mb} MB"
        message = (
            f"{data.run.model} needs {needs}: {len(instances)} instances were ended, as the platform does; "
            "raise --memory"
        )
        yield Finding("OUT OF MEMORY", "invalid", message, sharing[0].label if sharing else deployment)


def _is_burst_cold(data: RunData) -> bool:
    """Whether bursts were to find no instance."""
    return bool(data.run.options.get("workload", {}).get("is_burst_cold"))


def _wrong_kind(data: RunData) -> Iterator[Finding]:
    by_experiment: dict[tuple[str, Experiment], list[Sample]] = defaultdict(list)
    for sample in data.samples:
        if sample.status == OK:
            by_experiment[sample.configuration, sample.experiment].append(sample)
    for (label, experiment), samples in by_experiment.items():
        counted = [sample for sample in samples if sample.is_counted]
        apart = [sample for sample in samples if not sample.is_counted]
        if experiment == "cold":
            # Who tells nothing of its phases does not tell either whether it was its instance's first answer.
            warm = [sample for sample in counted if not sample.cold and sample.server_total_ns is not None]
            replaced = {sample.round for sample in counted}
            missing = len(warm) + len({sample.round for sample in apart} - replaced)
            if missing:
                message = (
                    f"{missing} of the cold starts were answered by an instance that had answered before, and no other "
                    "start took their place: see that nobody else sends requests, and measure again"
                )
                yield Finding("WRONG KIND", "invalid", message, label)
        elif experiment in _WARM and not (experiment == "burst" and _is_burst_cold(data)):
            cold = sum(sample.cold for sample in counted)
            if cold or (apart and not counted):
                message = (
                    f"expected warm answers ({experiment}), got {cold or len(apart)} while instances were starting"
                )
                yield Finding("WRONG KIND", "invalid", f"{message}: send more requests, or fewer at a time", label)


def _unstable(data: RunData) -> Iterator[Finding]:
    if data.run.kind == "capacity":
        # Its rounds are amounts of load, and differ as they should.
        return
    rows = Rows(data)
    for label in _labels(data):
        for experiment in _WARM:
            windows = windows_of(list(rows.latencies_ms(label, experiment).values()))
            if is_stable(windows) is False:
                medians = ", ".join(f"{percentile(each, 50):.3g}" for each in windows)
                message = (
                    f"medians of the last {WINDOWS} windows ({experiment}) should be within {TOLERANCE:.0%} of one "
                    f"another, and are {medians} ms: measure on a quieter machine, or more rounds"
                )
                yield Finding("UNSTABLE", "doubtful", message, label)


def _imprecise(data: RunData) -> Iterator[Finding]:
    """A run that was to go on until its medians are known, and ended before by its limits."""
    wanted = data.run.options.get("workload", {}).get("precision")
    if wanted is None:
        return
    rows = Rows(data)
    for each in data.run.configurations:
        of_experiments = (rows.latencies_ms(each.label, experiment) for experiment in _PRECISE)
        by_round = next((rounds for rounds in of_experiments if rounds), {})
        if each.configuration.role != "compared" or not by_round or is_precise(list(by_round.values()), wanted):
            continue
        median = estimate(by_round, 50)
        interval = None if median is None else median.interval
        known = "no interval" if interval is None else f"an interval of {interval.low:.4g} to {interval.high:.4g} ms"
        message = (
            f"the median's interval should be narrower than {wanted:.1%} of it, and after {len(by_round)} rounds it "
            f"has {known}: measure on a quieter machine, or for longer (--max-time-s)"
        )
        yield Finding("PRECISION NOT REACHED", "doubtful", message, each.label)


def _too_few_rounds(data: RunData) -> Iterator[Finding]:
    """Bursts may be few by intent: each of them is many requests, and none of it is a drift."""
    if data.run.kind == "capacity":
        return
    rows = Rows(data)
    for experiment in _STEADY:
        rounds = {label: len(rows.latencies_ms(label, experiment)) for label in _labels(data)}
        few = {label: count for label, count in rounds.items() if 0 < count < WINDOWS}
        if few:
            whom = "" if len(few) == sum(map(bool, rounds.values())) else f" of {', '.join(few)}"
            message = (
                f"at least {WINDOWS} rounds ({experiment}) show whether latencies are steady, and got "
                f"{max(few.values())}{whom}: raise --rounds"
            )
            yield Finding("TOO FEW ROUNDS", "doubtful", message)


def _busy_machine(data: RunData) -> Iterator[Finding]:
    when = {"before_percent": "before the run", "during_other_percent": "during the run"}
    for key, moment in when.items():
        percent = data.run.machine_load.get(key)
        if percent is not None and percent > BUSY_PERCENT:
            message = (
                f"other processes used {percent:.0f} % of this machine's CPU {moment}, expected at most "
                f"{BUSY_PERCENT:.0f} %: end them and measure again"
            )
            yield Finding("BUSY MACHINE", "doubtful", message)


def _oversubscribed(data: RunData) -> Iterator[Finding]:
    cores = data.run.machine.get("cores")
    if cores is None:
        return
    first: dict[str, Configuration] = {}
    for each in data.run.configurations:
        if each.is_local:
            first.setdefault(each.configuration.deployment, each.configuration)
    for deployment, configuration in first.items():
        records = [row.record for row in data.instances if row.deployment == deployment]
        most = _most_at_a_time(records) if records else configuration.instances
        if configuration.oversubscribes(cores, most):
            message = (
                f"{most} instances of {configuration.cpus:.3g} vCPUs ran on {cores} cores and slowed one another down: "
                "lower --instances or --memory"
            )
            yield Finding("OVERSUBSCRIBED", "doubtful", message, configuration.label)


def _most_at_a_time(records: Sequence[InstanceRecord]) -> int:
    # At the same instant, an end comes before a start.
    changes = [(record.spawned_ns, 1) for record in records]
    changes += [(record.end_ns, -1) for record in records if record.end_ns is not None]
    running = most = 0
    for _, change in sorted(changes):
        running += change
        most = max(most, running)
    return most


def _not_enforced(data: RunData) -> Iterator[Finding]:
    """A limit is written as its value and how it is enforced: ``1769, cgroup v2``."""
    for each in data.run.configurations:
        limits = {name: str(limit).rpartition(", ") for name, limit in each.limits.items()}
        loose = [
            f"{name} ({value})"
            for name, (value, _, how) in limits.items()
            if value and (how in ("none", "not enforced") or (how == "affinity" and not value.isdigit()))
        ]
        if loose:
            message = (
                f"{' and '.join(loose)} could not be enforced on this machine, so instances may have had more than the "
                "platform gives: run where control groups can be written"
            )
            yield Finding("NOT ENFORCED", "doubtful", message, each.label)


def _labels(data: RunData) -> list[str]:
    return [each.label for each in data.run.configurations]
