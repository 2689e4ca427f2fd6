"""The numbers that tables, pictures and pages show; ``summary`` computes them from a run's rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from serverless_dnn.bench.analysis.objectives import Kept
from serverless_dnn.bench.analysis.statistics import Interval
from serverless_dnn.bench.configuration import MeasuredConfiguration
from serverless_dnn.bench.load.samples import Experiment

REQUEST_PARTS = (
    "client encode",
    "network and platform",
    "front-door floor",
    "wait for an instance",
    "server decode",
    "queue",
    "compute",
    "server encode",
    "client decode",
)
"""What a request's time is made of, in order; a part that was not measured is absent."""
COLD_PHASES = (
    "platform start",
    "interpreter",
    "imports",
    "engine import",
    "model load",
    "warm-up",
    "other start",
    "first inference",
    "request",
)
"""What a cold start is made of, in order; they add up to the total."""


@dataclass(frozen=True)
class Estimate:
    """A value, and how well it is known.

    Attributes:
        value: The estimate.
        interval: Contains the true value with 95 % confidence, between-round spread included; ``None`` if there is too
            little data to say.
        count: How many measurements it is made of.
    """

    value: float
    interval: Interval | None
    count: int


@dataclass(frozen=True)
class WarmSummary:
    """A configuration's warm requests in one experiment; of those that succeeded and are of the right kind.

    Attributes:
        label: The configuration.
        experiment: ``closed``, ``burst`` or ``open``.
        requests: How many were sent.
        failures: How many failed, by status.
        set_apart: How many are not counted, by reason.
        percentiles_ms: End to end, by percent; only those that the count can carry.
        compute_ms: Median compute time; ``None`` if not reported.
        server_ms: Median time in the server; ``None`` if not reported.
        parts_ms: The mean of each of ``REQUEST_PARTS`` over all requests; they add up to the mean latency.
        mean_ms: The mean latency.
        rate: Answered requests a second, over the whole of each round.
        is_stable: Whether the last three windows are within 10 % of one another; ``None`` if there are too few.
    """

    label: str
    experiment: Experiment
    requests: int
    failures: Mapping[str, int]
    set_apart: Mapping[str, int]
    percentiles_ms: Mapping[float, Estimate]
    compute_ms: Estimate | None
    server_ms: Estimate | None
    parts_ms: Mapping[str, float]
    mean_ms: float | None
    rate: float | None
    is_stable: bool | None


@dataclass(frozen=True)
class ColdSummary:
    """A configuration's cold starts.

    Attributes:
        label: The configuration.
        starts: How many were asked for.
        failures: How many failed, by status or reason.
        total_ms: Median from a request that finds no instance until its answer; ``None`` if none succeeded.
        totals_ms: Every one that succeeded, in order.
        phases_ms: The mean of each of ``COLD_PHASES``; they add up to the mean total.
    """

    label: str
    starts: int
    failures: Mapping[str, int]
    total_ms: Estimate | None
    totals_ms: tuple[float, ...]
    phases_ms: Mapping[str, float]


@dataclass(frozen=True)
class CostSummary:
    """What a configuration's requests cost, in US dollars, data transfer out of the cloud not included.

    Attributes:
        label: The configuration.
        billed_ms: Median billed time of a warm request; ``None`` if unknown.
        billed_from: Where that comes from, such as ``the front door's records``.
        per_million_usd: A million warm requests, as ``experiment`` sends them; ``None`` if a price is unknown, or which
            of them shared an instance.
        per_million_busy_usd: A million warm requests in bursts, where instances share; ``None`` if not measured.
        per_million_instance_based_usd: Cloud Run's other way of billing, for a full instance; ``None`` elsewhere.
        cold_start_usd: One cold start; ``None`` if unknown.
        region: The prices' region.
        priced_on: The oldest date of a price that was used; empty if none is dated.
        notes: What is unknown or assumed, each as a sentence.
        per_million_interval: Contains ``per_million_usd`` with 95 % confidence, as far as billed time goes;
            ``None`` if there is too little data to say.
        usage: What a warm request uses of each priced item, in the item's unit; empty if unknown.
        experiment: Whose requests are priced: ``closed``, without any ``open``, and without any of those ``burst``.
    """

    label: str
    billed_ms: float | None
    billed_from: str
    per_million_usd: float | None
    per_million_busy_usd: float | None
    per_million_instance_based_usd: float | None
    cold_start_usd: float | None
    region: str
    priced_on: str
    notes: tuple[str, ...] = ()
    per_million_interval: Interval | None = None
    usage: Mapping[str, float] = field(default_factory=dict)
    experiment: Experiment = "closed"


@dataclass(frozen=True)
class Ratio:
    """How many times as long one configuration takes as another, in the same rounds.

    Attributes:
        label: The configuration.
        baseline: The other one.
        experiment: The experiment.
        percent: Which percentile.
        estimate: The ratio; above 1 is slower than the baseline.
    """

    label: str
    baseline: str
    experiment: Experiment
    percent: float
    estimate: Estimate


@dataclass(frozen=True)
class ConfigurationSummary:
    """Everything about one configuration.

    Attributes:
        measured: The configuration and its facts.
        warm: By experiment.
        cold: Its cold starts; ``None`` if none were asked for.
        cost: What it costs; ``None`` if it cannot be told.
        floor_ms: Median of a null server behind the same front door with bodies of the same size; ``None`` if not
            measured.
        connect_ms: Median time to open a connection; ``None`` if not measured.
        max_memory_mb: The most memory an instance used; ``None`` if unknown.
        cpu_ms_per_request: CPU time of the instances for each warm request; ``None`` if unknown.
    """

    measured: MeasuredConfiguration
    warm: Mapping[Experiment, WarmSummary]
    cold: ColdSummary | None
    cost: CostSummary | None
    floor_ms: float | None
    connect_ms: float | None
    max_memory_mb: int | None
    cpu_ms_per_request: float | None

    @property
    def label(self) -> str:
        """The configuration's label."""
        return self.measured.label


@dataclass(frozen=True)
class RunSummary:
    """Everything a report shows.

    Attributes:
        configurations: In the order of the run.
        ratios: Of every compared configuration to the fastest, closed loop, median.
        answer: The answer in a sentence or two: which is fastest, which cheapest, and by how much.
        slo_p99_ms: The objective, if there is one.
        within_slo: The labels whose p99 is shown to keep it, cheapest first.
        objective: Whether each compared label keeps it; empty without an objective.
        choices: Which label each of the strategies ``speed``, ``cost`` and ``balanced`` takes; one is absent if nothing
            carries it.
        cost_ratios: How many times as much each compared label costs as the cheapest, in the same rounds.
        in_flight: How many requests of the closed loop were under way at a time.
    """

    configurations: tuple[ConfigurationSummary, ...]
    ratios: tuple[Ratio, ...]
    answer: str
    slo_p99_ms: float | None = None
    within_slo: tuple[str, ...] = ()
    choices: Mapping[str, str] = field(default_factory=dict)
    objective: Mapping[str, Kept] = field(default_factory=dict)
    cost_ratios: Mapping[str, Estimate] = field(default_factory=dict)
    in_flight: int = 1

    def of(self, label: str) -> ConfigurationSummary:
        """The summary of a configuration.

        Args:
            label: Its label.
        """
        return next(each for each in self.configurations if each.label == label)
