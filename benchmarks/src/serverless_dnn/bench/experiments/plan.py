"""What a run will do: its configurations and deployments, what fits, and how long it takes; pure."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from serverless_dnn.bench.configuration import Configuration, Finding
from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.experiments.options import RunOptions
from serverless_dnn.bench.platforms import PLATFORMS, Platform
from serverless_dnn.bench.targets.remote import RemoteTarget
from serverless_dnn.client import ClientError

# What a deployment's front door and the generator need beside the instances.
_OVERHEAD_MB = 1024
JSON_SHARE = 4
"""JSON takes many times as long: one request in so many shows it well enough."""
EMPTY_CACHE_STARTS = 3


@dataclass(frozen=True)
class Machine:
    """What a plan must know of this machine.

    Attributes:
        cores: How many cores may be used.
        memory_mb: How much memory is free.
    """

    cores: int
    memory_mb: int


@dataclass(frozen=True)
class Plan:
    """What a run will do.

    Attributes:
        options: The options.
        configurations: What is measured, in order.
        findings: What is known to limit the numbers already.
        recorded_ns: When each request of a recording is due, if the open loop replays one.
    """

    options: RunOptions
    configurations: tuple[Configuration, ...]
    findings: tuple[Finding, ...]
    recorded_ns: tuple[int, ...] = ()

    @property
    def open_requests(self) -> int:
        """How many requests the open loop sends a compared configuration in all."""
        workload = self.options.workload
        if workload.arrivals_file is not None:
            return len(self.recorded_ns)
        return round((workload.rate or 0) * workload.duration_s)

    @property
    def open_duration_s(self) -> float:
        """How long the open loop of a compared configuration takes in all."""
        workload = self.options.workload
        if workload.arrivals_file is not None:
            return self.recorded_ns[-1] / 1e9 if self.recorded_ns else 0.0
        return workload.duration_s if workload.rate else 0.0

    @property
    def deployments(self) -> dict[str, Configuration]:
        """The first configuration of each deployment, by its name."""
        first: dict[str, Configuration] = {}
        for configuration in self.configurations:
            first.setdefault(configuration.deployment, configuration)
        return first

    def requests_of(self, configuration: Configuration) -> int:
        """How many requests, one after another, a configuration is sent in all.

        Args:
            configuration: The configuration.
        """
        if configuration.cache == "empty":
            return 0
        share = JSON_SHARE if configuration.role == "beside" else 1
        return math.ceil(self.options.workload.requests / share)

    def planned_requests_of(self, configuration: Configuration) -> int:
        """How many requests a configuration is sent in all, without its warm-up and what may have to be repeated.

        Args:
            configuration: The configuration.
        """
        workload = self.options.workload
        planned = self.requests_of(configuration) + self.cold_starts_of(configuration)
        if configuration.role == "compared":
            planned += workload.burst * workload.bursts + self.open_requests
        return planned

    def cold_starts_of(self, configuration: Configuration) -> int:
        """How many cold starts of a configuration are forced.

        Args:
            configuration: The configuration.
        """
        wanted = self.options.workload.cold_starts
        # Nobody can force a remote platform to begin anew.
        if configuration.url is not None:
            return 0
        if configuration.cache == "empty":
            return min(wanted, EMPTY_CACHE_STARTS)
        return wanted if configuration.role == "compared" else 0


def make_plan(options: RunOptions, machine: Machine, recorded_ns: tuple[int, ...] = ()) -> Plan:
    """Plan a run.

    Args:
        options: The options.
        machine: This machine.
        recorded_ns: When each request of a recording is due, if the open loop replays one.

    Returns:
        The plan.

    Raises:
        OptionError: Options contradict one another or the platforms' limits, or the instances do not fit in memory.
    """
    _check_workload(options, recorded_ns)
    configurations = list(options.configurations)
    _check_remote(options)
    _check_by_url(options)
    for target in options.targets:
        if target in PLATFORMS:
            configurations += _of_platform(PLATFORMS[target], options, machine)
        else:
            configurations.append(_of_url(target, options))
    labels = [configuration.label for configuration in configurations]
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise OptionError(f"{twice[0]} is named twice: name every target once")
    plan = Plan(options, tuple(configurations), (), recorded_ns)
    local = [each for each in plan.deployments.values() if each.url is None]
    for each in local:
        # One deployment is busy at a time, and what the others keep is little beside their limits.
        needed_mb = (each.memory_mb or 0) * each.instances + _OVERHEAD_MB
        if needed_mb > machine.memory_mb:
            raise OptionError(
                f"{each.label}: {each.instances} instances of {each.memory_mb} MB may need {needed_mb} MB, and "
                f"{machine.memory_mb} MB are free: choose fewer --instances or less memory"
            )
    return replace(plan, findings=(*_oversubscribed(plan, local, machine), *_without_cold_starts(plan)))


def _of_platform(platform: Platform, options: RunOptions, machine: Machine) -> Iterator[Configuration]:
    wanted = options.memories_mb or (platform.default_memory_mb_of(options.cpus),)
    memories = list(dict.fromkeys(map(platform.at_least_memory_mb, wanted)))
    body_format = options.body_format if options.body_format in platform.body_formats else platform.body_formats[0]
    for memory_mb in memories:
        cpus = _cpus(platform, memory_mb, options)
        for engine in options.engines:
            size = f" {memory_mb} MB" if len(wanted) > 1 else ""
            named = f" {engine}" if len(options.engines) > 1 else ""
            label = f"{platform.name}{size}{named}"
            compared = Configuration(
                label=label,
                deployment=label,
                platform=platform.name,
                memory_mb=memory_mb,
                cpus=cpus,
                instances=options.instances or _fitting(cpus, machine),
                requests_per_instance=_requests_per_instance(platform, options, cpus),
                engine=engine,
                body_format=body_format,
                by_url=options.by_url and platform.payload_bytes is not None,
            )
            yield compared
            if options.with_json and "json" in platform.body_formats and body_format != "json":
                yield replace(compared, label=f"{label} json", body_format="json", by_url=False, role="beside")
            if options.with_empty_cache and options.workload.cold_starts and engine != "tensorflow":
                beside = f"{label} empty cache"
                yield replace(compared, label=beside, deployment=beside, cache="empty", instances=1, role="beside")


def _of_url(url: str, options: RunOptions) -> Configuration:
    try:
        facts = RemoteTarget(url).facts
    except ClientError as error:
        raise OptionError(f"{url!r} is neither a platform ({', '.join(PLATFORMS)}) nor a target: {error}") from None
    platform = PLATFORMS.get(facts.platform)
    memory_mb, cpus = next(iter(options.memories_mb), None), options.cpus
    if platform is not None and memory_mb is not None:
        memory_mb = platform.at_least_memory_mb(memory_mb)
        cpus = _cpus(platform, memory_mb, options)
    elif platform is not None and cpus is not None:
        # Without its memory an instance's vCPUs are known only where they are chosen on their own.
        cpus = _cpus(platform, platform.default_memory_mb_of(cpus), options) if platform.mb_per_cpu is None else None
    return Configuration(
        label=url,
        deployment=url,
        platform=facts.platform,
        url=url,
        memory_mb=memory_mb,
        cpus=cpus,
        engine="remote",
        body_format="protobuf" if facts.protocol == "gRPC" else options.body_format or "auto",
    )


def _check_remote(options: RunOptions) -> None:
    """What nobody can set from here is refused where it would be set for nothing."""
    remote = [target for target in options.targets if target not in PLATFORMS]
    if not remote or len(remote) < len(options.targets) or options.configurations:
        return
    given = {
        "--engine": options.engines != ("auto",),
        "--instances": options.instances is not None,
        "--concurrency": options.requests_per_instance is not None,
        "--throttle": options.throttle,
        "--idle-timeout-s": options.idle_timeout_s is not None,
        "--link": bool(options.link),
        "--by-url": options.by_url,
    }
    if vain := [name for name, is_given in given.items() if is_given]:
        raise OptionError(
            f"{' and '.join(vain)} cannot be set for {remote[0]} from here: leave it out, or add a local platform"
        )


def _check_by_url(options: RunOptions) -> None:
    """The object store is on this machine, and not behind a link."""
    given = {"--link": bool(options.link), "--ray": options.ray_address is not None}
    if options.by_url and (vain := [name for name, is_given in given.items() if is_given]):
        raise OptionError(
            f"--by-url goes through an object store on this machine, which {vain[0]} does not reach: leave out one of "
            "them"
        )


def _without_cold_starts(plan: Plan) -> Iterator[Finding]:
    # A search for what a target carries has its cold start for itself.
    if not plan.options.workload.cold_starts or plan.options.capacity is not None:
        return
    for each in plan.configurations:
        if each.url is not None:
            message = "its cold starts cannot be forced from here, so that none are measured"
            yield Finding("NO COLD STARTS", "note", message, each.label)


def _cpus(platform: Platform, memory_mb: int, options: RunOptions) -> float:
    return platform.cpus_of(memory_mb, options.cpus if platform.mb_per_cpu is None else None)


def _requests_per_instance(platform: Platform, options: RunOptions, cpus: float | None) -> int:
    wanted = options.requests_per_instance
    if wanted is None or platform.max_requests_per_instance == 1:
        return platform.requests_per_instance
    if not 1 <= wanted <= platform.max_requests_per_instance:
        raise OptionError(
            f"{platform.title} gives an instance 1 to {platform.max_requests_per_instance} requests at a time: choose "
            f"--concurrency from that, not {wanted}"
        )
    if wanted > 1 and cpus is not None and cpus < 1:
        raise OptionError(
            f"{platform.title} gives an instance of {cpus:g} vCPU one request at a time, got --concurrency {wanted}: "
            "leave it out, or give --cpus 1 or more"
        )
    return wanted


def _check_workload(options: RunOptions, recorded_ns: Sequence[int]) -> None:
    workload = options.workload
    if workload.rounds < 1:
        raise OptionError(f"expected at least one round, got {workload.rounds}")
    if workload.arrivals_file is not None and workload.rate is not None:
        raise OptionError(
            f"{workload.arrivals_file} has its own rate, got --rate {workload.rate:g} as well: leave out one of them"
        )
    if not (workload.requests or workload.burst or workload.rate or recorded_ns or workload.cold_starts):
        raise OptionError("nothing to measure: give --requests, --burst, --rate, --arrivals FILE or --cold-starts")


def _oversubscribed(plan: Plan, local: Sequence[Configuration], machine: Machine) -> Iterator[Finding]:
    for each in local:
        if each.oversubscribes(machine.cores, each.instances):
            fitting = _fitting(each.cpus or 1, machine)
            are_cpus_chosen = plan.options.cpus is not None and PLATFORMS[each.platform].mb_per_cpu is None
            smaller = "fewer --cpus" if are_cpus_chosen else "less --memory"
            advice = f"use --instances {fitting} or {smaller}" if fitting < each.instances else f"use {smaller}"
            what = "instances that are busy together slow one another down" if each.instances > 1 else "it gets fewer"
            yield Finding(
                "OVERSUBSCRIBED",
                "doubtful",
                f"{each.instances} x {each.cpus:.2f} vCPUs on {machine.cores} cores: {what}; {advice}",
                each.label,
            )


def _fitting(cpus: float, machine: Machine) -> int:
    return max(1, math.floor(machine.cores / cpus))
