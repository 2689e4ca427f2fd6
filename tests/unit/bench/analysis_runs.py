"""Small runs made by hand, row by row, for the tests of the analysis."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from serverless_dnn.bench.configuration import Configuration, Finding, MeasuredConfiguration
from serverless_dnn.bench.load.samples import Experiment, Sample
from serverless_dnn.bench.platforms import PLATFORMS
from serverless_dnn.bench.recorded_run import RecordedInstance, RecordedInvocation, Run, RunData
from serverless_dnn.bench.targets.records import InstanceRecord, Invocation

MS = 1_000_000


def measured(
    label: str = "lambda", platform: str = "lambda", limits: dict[str, Any] | None = None, **more: Any
) -> MeasuredConfiguration:
    title = PLATFORMS[platform].title if platform in PLATFORMS else platform
    fields: dict[str, Any] = {"deployment": label, "memory_mb": 1024, "cpus": 1.0, **more}
    configuration = Configuration(label, platform=platform, **fields)
    return MeasuredConfiguration(configuration, title, "", "REST", "", configuration.url is None, limits or {})


def sample(
    label: str = "lambda",
    experiment: Experiment = "closed",
    number: int = 0,
    index: int = 0,
    ms: float = 10.0,
    **more: Any,
) -> Sample:
    row = Sample(label, experiment, number, index, 0, 0, round_ns(ms), "OK")
    return replace(row, **more)


def round_ns(ms: float) -> int:
    return round(ms * MS)


def rounds(
    label: str, medians_ms: Sequence[float], count: int = 20, experiment: Experiment = "closed", **more: Any
) -> list[Sample]:
    """Rounds whose values are spread by 2 % around their medians."""
    return [
        sample(label, experiment, number, index, median_ms * (0.98 + 0.04 * index / (count - 1)), **more)
        for number, median_ms in enumerate(medians_ms)
        for index in range(count)
    ]


def invocation(
    label: str = "lambda",
    experiment: Experiment = "closed",
    number: int = 0,
    begin_ms: float = 0.0,
    end_ms: float = 10.0,
    *,
    deployment: str | None = None,
    **more: Any,
) -> RecordedInvocation:
    row = Invocation(
        "id", "i", "success", None, round_ns(begin_ms), round_ns(begin_ms), round_ns(end_ms), None, 1024, 100
    )
    return RecordedInvocation(deployment or label, experiment, number, label, replace(row, **more))


def instance(deployment: str = "lambda", **more: Any) -> RecordedInstance:
    return RecordedInstance(deployment, replace(InstanceRecord("i", 0, 0, None, None, None, 100, None), **more))


def run_data(
    configurations: Sequence[MeasuredConfiguration],
    samples: Sequence[Sample] = (),
    invocations: Sequence[RecordedInvocation] = (),
    instances: Sequence[RecordedInstance] = (),
    **more: Any,
) -> RunData:
    findings: list[Finding] = []
    run = Run(
        kind="run", model="mobilenet_v1", model_source="exported", input="photo", started="2026-01-01T00:00:00+00:00",
        duration_s=1.0, seed=0, options={}, configurations=list(configurations), machine={"cores": 2}, machine_load={},
        packages={}, git_revision=None, largest_difference=None, findings=findings,
    )  # fmt: skip
    return RunData(replace(run, **more), samples, invocations, instances)
