"""The numbers that tables and figures show, computed from a run's folder alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from serverless_dnn.bench.samples import OK, Experiment, Sample
from serverless_dnn.bench.statistics import Interval, median_interval, percentile

PARTS = ("client encode", "network and platform", "server decode", "queue", "compute", "server encode", "client decode")


@dataclass(frozen=True)
class WarmSummary:
    """A platform's warm requests in one experiment; times in milliseconds, for successful requests.

    Attributes:
        platform: The platform.
        experiment: ``sequential`` or ``burst``.
        requests: How many were sent.
        failures: How many failed, by status.
        bytes_sent: Size of one request.
        bytes_received: Size of one response.
        p50_ms: End to end.
        p95_ms: End to end.
        p99_ms: End to end.
        p50_interval_ms: Contains the true median with 95 % confidence.
        compute_p50_ms: Median compute time.
        overhead_share: The median over requests of the non-compute share of end to end.
        parts_ms: Medians of the parts that make up a request, by ``PARTS``.
    """

    platform: str
    experiment: Experiment
    requests: int
    failures: dict[str, int]
    bytes_sent: int | None
    bytes_received: int | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    p50_interval_ms: Interval | None
    compute_p50_ms: float | None
    overhead_share: float | None
    parts_ms: dict[str, float]


@dataclass(frozen=True)
class ColdSummary:
    """A platform's cold start; times in milliseconds.

    Attributes:
        platform: The platform.
        total_ms: From a request that finds no instance until its response.
        phases_ms: Its phases in order: those of the start, then the first inference, then the platform.
        failure: Why there is none.
    """

    platform: str
    total_ms: float | None
    phases_ms: dict[str, float]
    failure: str | None


def summarize_warm(samples: Sequence[Sample], platform: str, experiment: Experiment) -> WarmSummary:
    """Summarize one experiment on one platform.

    Args:
        samples: All samples of a run.
        platform: The platform.
        experiment: The experiment.

    Returns:
        The numbers; ``None`` where no request succeeded or the server did not report the value.
    """
    chosen = [sample for sample in samples if (sample.platform, sample.experiment) == (platform, experiment)]
    good = [sample for sample in chosen if sample.status == OK]
    failures: dict[str, int] = {}
    for sample in chosen:
        if sample.status != OK:
            failures[sample.status] = failures.get(sample.status, 0) + 1
    latencies_ms = [sample.latency_ns / 1e6 for sample in good]
    computes_ms = [sample.server_compute_ns / 1e6 for sample in good if sample.server_compute_ns is not None]
    shares = [
        1 - sample.server_compute_ns / sample.latency_ns for sample in good if sample.server_compute_ns is not None
    ]
    return WarmSummary(
        platform=platform,
        experiment=experiment,
        requests=len(chosen),
        failures=failures,
        bytes_sent=good[0].bytes_sent if good else None,
        bytes_received=good[0].bytes_received if good else None,
        p50_ms=_percentile(latencies_ms, 50),
        p95_ms=_percentile(latencies_ms, 95),
        p99_ms=_percentile(latencies_ms, 99),
        p50_interval_ms=median_interval(latencies_ms),
        compute_p50_ms=_percentile(computes_ms, 50),
        overhead_share=_percentile(shares, 50),
        parts_ms=_median_parts(good),
    )


def summarize_cold(samples: Sequence[Sample], platform: str) -> ColdSummary:
    """Summarize the cold start on one platform.

    Args:
        samples: All samples of a run.
        platform: The platform.

    Returns:
        The numbers.
    """
    sample = next((sample for sample in samples if (sample.platform, sample.experiment) == (platform, "cold")), None)
    if sample is None or sample.status != OK:
        return ColdSummary(platform, None, {}, "not run" if sample is None else f"{sample.status}: {sample.error}")
    told = {
        "import": sample.cold_import_ns,
        "load model": sample.cold_load_ns,
        "warm up": sample.cold_warmup_ns,
    }
    phases_ms = {name: value / 1e6 for name, value in told.items() if value is not None}
    if sample.cold_ns is not None:
        phases_ms = {"process": max(0.0, sample.cold_ns / 1e6 - sum(phases_ms.values())), **phases_ms}
    if sample.server_compute_ns is not None:
        phases_ms["first inference"] = sample.server_compute_ns / 1e6
    phases_ms["platform"] = max(0.0, sample.latency_ns / 1e6 - sum(phases_ms.values()))
    return ColdSummary(platform, sample.latency_ns / 1e6, phases_ms, None)


def engine_of(samples: Sequence[Sample], platform: str) -> str | None:
    """The engine that ran the model on a platform, as reported by its instances.

    Args:
        samples: All samples of a run.
        platform: The platform.

    Returns:
        The engine; ``None`` if no instance reported one.
    """
    return next((sample.engine for sample in samples if sample.platform == platform and sample.engine), None)


def _median_parts(good: Sequence[Sample]) -> dict[str, float]:
    rows = []
    for sample in good:
        server = (sample.server_decode_ns, sample.server_queue_ns, sample.server_compute_ns, sample.server_encode_ns)
        client = (sample.encode_ns, sample.decode_ns)
        if None in server or None in client:
            continue
        decode, queue, compute, encode = (value / 1e6 for value in server if value is not None)
        client_encode, client_decode = (value / 1e6 for value in client if value is not None)
        known = decode + queue + compute + encode + client_encode + client_decode
        rows.append((client_encode, sample.latency_ns / 1e6 - known, decode, queue, compute, encode, client_decode))
    if not rows:
        return {}
    return {name: percentile(column, 50) for name, column in zip(PARTS, zip(*rows, strict=True), strict=True)}


def _percentile(values: Sequence[float], percent: float) -> float | None:
    return percentile(values, percent) if values else None
