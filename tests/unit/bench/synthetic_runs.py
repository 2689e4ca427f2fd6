"""Runs made by hand, whose numbers are known: one that compares three platforms, and a sweep over their memory."""

import random
from collections.abc import Sequence

from serverless_dnn.bench.analysis.results import (
    ColdSummary,
    ConfigurationSummary,
    CostSummary,
    Estimate,
    Ratio,
    RunSummary,
    WarmSummary,
)
from serverless_dnn.bench.analysis.statistics import Interval, percentile
from serverless_dnn.bench.configuration import Configuration, Finding, MeasuredConfiguration
from serverless_dnn.bench.load.samples import Sample
from serverless_dnn.bench.platforms import PLATFORMS
from serverless_dnn.bench.recorded_run import Run, RunData

ENGINE = "openvino 2026.4.1 f32"
_CLIENT = {"client encode": 0.2, "server decode": 0.6, "queue": 0.05, "server encode": 0.1, "client decode": 0.1}


def _measured(label: str, platform: str, memory_mb: int, body_format: str, role: str) -> MeasuredConfiguration:
    declared = PLATFORMS[platform]
    return MeasuredConfiguration(
        Configuration(
            label=label,
            deployment=f"{platform}-{memory_mb}",
            platform=platform,
            memory_mb=memory_mb,
            cpus=memory_mb / 1769 if platform == "lambda" else 1.0,
            body_format=body_format,
            role=role,
        ),
        title=declared.title,
        customization=declared.customization,
        protocol=declared.protocol,
        model_server=declared.model_server,
        is_local=True,
        limits={"memory_mb": f"{memory_mb}, enforced by cgroup v1", "timeout_s": 60},
        engine=ENGINE,
        engine_facts={"name": "openvino", "version": "2026.4.1", "precision": "f32", "threads": 1},
        bytes_sent=1_786_372 if body_format == "json" else 602_169,
        bytes_received=14_109 if body_format == "json" else 4_072,
    )


def _samples(label: str, compute_ms: float, rest_ms: float, count: int, seed: int) -> list[Sample]:
    source = random.Random(seed)
    rows = []
    for experiment, factor in (("closed", 1.0), ("burst", count / 6)):
        for index in range(count):
            compute = compute_ms * source.lognormvariate(0, 0.06)
            latency = (compute + rest_ms * source.lognormvariate(0, 0.1)) * (
                1.0 if experiment == "closed" else factor * (index + 1) / count
            )
            rows.append(
                Sample(
                    configuration=label,
                    experiment=experiment,
                    round=index % 4,
                    index=index // 4,
                    scheduled_ns=0,
                    sent_ns=1000,
                    latency_ns=round(latency * 1e6),
                    status="OK",
                    server_compute_ns=round(compute * 1e6),
                )
            )
    return rows


def _estimates(values: Sequence[float]) -> dict[float, Estimate]:
    carried = [percent for percent in (50.0, 90.0, 95.0, 99.0, 99.9) if len(values) * (100 - percent) / 100 >= 1]
    return {
        percent: Estimate((value := percentile(values, percent)), Interval(value * 0.97, value * 1.04), len(values))
        for percent in carried
    }


def _warm(label: str, experiment: str, samples: Sequence[Sample], failures: dict[str, int]) -> WarmSummary:
    latencies = [
        each.latency_ns / 1e6 for each in samples if (each.configuration, each.experiment) == (label, experiment)
    ]
    mean = sum(latencies) / len(latencies)
    computes = [
        each.server_compute_ns / 1e6 for each in samples if each.configuration == label and each.server_compute_ns
    ]
    parts = dict(_CLIENT) | {"compute": sum(computes) / len(computes), "front-door floor": 0.08 * mean}
    parts["network and platform"] = mean - sum(parts.values())
    return WarmSummary(
        label=label,
        experiment=experiment,
        requests=len(latencies) + sum(failures.values()),
        failures=failures,
        set_apart={},
        percentiles_ms=_estimates(latencies),
        compute_ms=Estimate(percentile(computes, 50), None, len(computes)),
        server_ms=Estimate(percentile(computes, 50) + 1, None, len(computes)),
        parts_ms=parts,
        mean_ms=mean,
        rate=1000 / mean,
        is_stable=True,
    )


def _cold(label: str, scale: float, starts: int) -> ColdSummary:
    phases = {
        "platform start": 36.0, "interpreter": 60.0, "imports": 95.0, "engine import": 28.0, "model load": 120.0,
        "warm-up": 25.0, "other start": 9.0, "first inference": 6.0, "request": 3.0,
    }  # fmt: skip
    phases = {name: value * scale for name, value in phases.items()}
    total = sum(phases.values())
    totals = tuple(total * (1 + 0.03 * (index - (starts - 1) / 2)) for index in range(starts))
    wide = Interval(total * 0.9, total * 1.1) if starts > 5 else None
    return ColdSummary(label, starts, {}, Estimate(total, wide, starts), totals, phases)


def _configuration(
    label: str, platform: str, memory_mb: int, compute_ms: float, rest_ms: float, usd: float | None,
    *, samples: list[Sample], body_format: str = "protobuf", role: str = "compared", count: int = 40, starts: int = 8,
    failures: dict[str, int] | None = None,
) -> ConfigurationSummary:  # fmt: skip
    own = _samples(label, compute_ms, rest_ms, count, len(samples))
    samples += own
    notes = () if usd is not None else ("The price of this memory is unknown.",)
    return ConfigurationSummary(
        measured=_measured(label, platform, memory_mb, body_format, role),
        warm={
            "closed": _warm(label, "closed", own, {}),
            "burst": _warm(label, "burst", own, failures or {}),
        },
        cold=_cold(label, 400 / memory_mb + {"lambda": 0.6, "sagemaker": 1.1, "cloudrun": 0.8}[platform], starts) if starts else None,
        cost=CostSummary(
            label, compute_ms + 2, "the front door's records", usd, None if usd is None else usd * 0.8,
            2.9 if platform == "cloudrun" else None, None if usd is None else usd / 40_000, "us-east-1", "2026-08-21",
            notes,
        ),
        floor_ms=1.1,
        connect_ms=0.4,
        max_memory_mb=312,
        cpu_ms_per_request=compute_ms + 3,
    )  # fmt: skip


def _run(kind: str, configurations: Sequence[ConfigurationSummary], findings: list[Finding]) -> Run:
    return Run(
        kind=kind, model="mobilenet_v1", model_source="exported",
        input="Grace Hopper, U.S. Navy portrait, public domain; shipped with matplotlib",
        started="2026-11-27T10:15:00+00:00", duration_s=93.4, seed=1, options={"requests": 40, "rounds": 4},
        configurations=[each.measured for each in configurations],
        machine={"cpu": "Intel(R) Xeon(R) Processor", "isa": ["avx2", "avx512f", "amx_bf16"], "cores": 2,
                 "memory_bytes": 25_276_063_744, "system": "Linux-6.18", "python": "3.11.7"},
        machine_load={"before": 0.03, "during": 0.91}, packages={"numpy": "2.4.6", "openvino": "2026.4.1"},
        git_revision="d332b482c573", largest_difference=1.6e-9, findings=findings,
    )  # fmt: skip


def comparison(*, findings: Sequence[Finding] = (), count: int = 40, starts: int = 8) -> tuple[RunData, RunSummary]:
    """Three platforms compared, and two of them with JSON beside."""
    samples: list[Sample] = []
    more = {"samples": samples, "count": count, "starts": starts}
    configurations = (
        _configuration("lambda", "lambda", 1769, 6.1, 5.2, 0.58, **more),
        _configuration("sagemaker", "sagemaker", 2048, 6.2, 4.9, 1.02, **more),
        _configuration("cloudrun", "cloudrun", 2048, 5.5, 2.0, 3.31, failures={"UNAVAILABLE": 2}, **more),
        _configuration("lambda json", "lambda", 1769, 6.1, 23.5, 1.16, body_format="json", role="beside", **more),
        _configuration("sagemaker json", "sagemaker", 2048, 6.2, 25.0, None, body_format="json", role="beside", **more),
    )  # fmt: skip
    medians = {each.label: each.warm["closed"].percentiles_ms[50.0].value for each in configurations}
    ratios = tuple(
        Ratio(label, "cloudrun", "closed", 50.0, Estimate(medians[label] / medians["cloudrun"], Interval(1.3, 1.6), 4))
        for label in ("lambda", "sagemaker")
    )
    answer = (
        f"Cloud Run answers fastest, in {medians['cloudrun']:.1f} ms (median); AWS Lambda is cheapest, at $0.58 per "
        "million requests, and takes 1.5 times as long. JSON in place of protobuf makes AWS Lambda 2.6 times as slow."
    )
    summary = RunSummary(
        configurations, ratios, answer, choices={"speed": "cloudrun", "cost": "lambda", "balanced": "lambda"}
    )
    return RunData(_run("run", configurations, list(findings)), samples), summary


def sweep(slo_p99_ms: float | None = 20.0) -> tuple[RunData, RunSummary]:
    """Three platforms, each with four sizes of memory; more memory is faster, and dearest where it does not help."""
    samples: list[Sample] = []
    sizes = {
        "lambda": (512, 1024, 1769, 3008), "sagemaker": (1024, 2048, 3072, 4096), "cloudrun": (512, 1024, 2048, 4096),
    }  # fmt: skip
    configurations = tuple(
        _configuration(
            f"{platform} {memory_mb} MB", platform, memory_mb, (4 + 9000 / memory_mb) * (1.25 - rank * 0.2), 3 + 2000 / memory_mb,
            0.2 + memory_mb / 2500 * (1 + rank * 0.6) * (0.4 + 600 / memory_mb), samples=samples, count=120,
            starts=1 if platform == "sagemaker" else 5,
        )
        for rank, platform in enumerate(sizes)
        for memory_mb in sizes[platform]
    )  # fmt: skip

    def usd(each: ConfigurationSummary) -> float:
        return each.cost.per_million_usd or 0.0

    def p99(each: ConfigurationSummary) -> float:
        return each.warm["closed"].percentiles_ms[99.0].value

    within = sorted((each for each in configurations if slo_p99_ms and p99(each) <= slo_p99_ms), key=usd)
    fastest, cheapest = min(configurations, key=p99), min(configurations, key=usd)
    answer = (
        f"For a p99 of {slo_p99_ms:g} ms take {within[0].label}: it costs ${usd(within[0]):.2f} per million requests."
        if within
        else f"{fastest.label} is fastest, {cheapest.label} cheapest."
    )
    summary = RunSummary(
        configurations, (), answer, slo_p99_ms, tuple(each.label for each in within),
        {"speed": fastest.label, "cost": cheapest.label, "balanced": (within or [fastest])[0].label},
    )  # fmt: skip
    return RunData(_run("sweep", configurations, []), samples), summary
