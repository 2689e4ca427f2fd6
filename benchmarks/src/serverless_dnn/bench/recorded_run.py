"""A run in memory: what was measured, on what, what its readers must know, and its rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from serverless_dnn.bench.analysis.prices import Price, PriceTable, packaged_prices
from serverless_dnn.bench.analysis.probes import Probe
from serverless_dnn.bench.configuration import Finding, MeasuredConfiguration
from serverless_dnn.bench.load.samples import Sample
from serverless_dnn.bench.targets.records import InstanceRecord, Invocation

SCHEMA_VERSION = 2
Verdict = Literal["VALID", "DOUBTFUL", "INVALID", "INCOMPLETE"]


@dataclass(frozen=True)
class RecordedInvocation:
    """An invocation, and which of the benchmark's requests it belongs to.

    Attributes:
        deployment: The deployment.
        experiment: The experiment during which it arrived.
        round: The round.
        configuration: The configuration that was being measured.
        invocation: The platform's record.
    """

    deployment: str
    experiment: str
    round: int
    configuration: str
    invocation: Invocation


@dataclass(frozen=True)
class RecordedInstance:
    """An instance, and what it was an instance of.

    Attributes:
        deployment: The deployment.
        record: The platform's record.
    """

    deployment: str
    record: InstanceRecord


@dataclass(frozen=True)
class RecordedStep:
    """What one configuration was sent in one round, and what that took.

    Attributes:
        configuration: The configuration's label.
        experiment: The experiment.
        round: The round.
        requests: How many requests.
        duration_ns: From its start until its last answer.
        generator_cpu_ns: The CPU time of the busiest generator.
        instances_cpu_ns: The CPU time of the deployment's instances; ``None`` if unknown.
    """

    configuration: str
    experiment: str
    round: int
    requests: int
    duration_ns: int
    generator_cpu_ns: int
    instances_cpu_ns: int | None


@dataclass(frozen=True)
class Run:
    """Everything about a run except its rows.

    Attributes:
        kind: ``run``, ``sweep`` or ``capacity``.
        model: The model's name.
        model_source: ``exported`` for the paper's models, otherwise the SavedModel's path or ``remote``.
        input: What was sent, and its licence.
        started: Start time, ISO 8601 in UTC.
        duration_s: How long it took; ``None`` if the run is too old to say.
        seed: Of everything random; ``None`` if the run is too old to have one.
        options: Every option of the command.
        configurations: What was measured.
        machine: See ``machine.describe_machine``.
        machine_load: The machine's load before and during the run; see ``machine_load``.
        packages: Versions by package.
        git_revision: Revision of the source tree.
        largest_difference: Largest difference between any two configurations' outputs; ``None`` with fewer than two.
        findings: What whoever reads the numbers must know.
        probes: What each amount of load led to, of a ramp or a search.
        prices: The price table that it was made with; empty if the run is too old to have them.
        schema_version: Schema version of this file.
    """

    kind: Literal["run", "sweep", "capacity"]
    model: str
    model_source: str
    input: str
    started: str
    duration_s: float | None
    seed: int | None
    options: dict[str, Any]
    configurations: list[MeasuredConfiguration]
    machine: dict[str, Any]
    machine_load: dict[str, Any]
    packages: dict[str, str]
    git_revision: str | None
    largest_difference: float | None
    findings: list[Finding]
    probes: list[Probe] = field(default_factory=list)
    prices: tuple[Price, ...] = ()
    schema_version: int = SCHEMA_VERSION

    @property
    def verdict(self) -> Verdict:
        """``INCOMPLETE`` if it was interrupted, else ``INVALID``, ``DOUBTFUL`` or ``VALID`` by the gravest finding."""
        if any(finding.code == "INCOMPLETE" for finding in self.findings):
            return "INCOMPLETE"
        severities = {finding.severity for finding in self.findings}
        return "INVALID" if "invalid" in severities else "DOUBTFUL" if "doubtful" in severities else "VALID"


@dataclass(frozen=True)
class RunData:
    """A run with its rows.

    Attributes:
        run: The run.
        samples: Every request.
        invocations: Every invocation that a platform told of.
        instances: Every instance.
        steps: Every step of load; empty for runs of before they were kept.
    """

    run: Run
    samples: Sequence[Sample]
    invocations: Sequence[RecordedInvocation] = field(default_factory=tuple)
    instances: Sequence[RecordedInstance] = field(default_factory=tuple)
    steps: Sequence[RecordedStep] = field(default_factory=tuple)


def prices_of(run: Run) -> PriceTable:
    """The prices that a run was made with; the packaged ones where it does not say.

    Args:
        run: The run.
    """
    return PriceTable(run.prices) if run.prices else packaged_prices()
