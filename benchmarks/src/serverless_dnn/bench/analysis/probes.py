"""What one amount of load led to; pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from serverless_dnn.bench.analysis.objectives import Kept, is_kept
from serverless_dnn.bench.analysis.statistics import is_carried, percentile, percentile_interval
from serverless_dnn.bench.configuration import Quantity
from serverless_dnn.bench.load.samples import OK, Sample


@dataclass(frozen=True)
class Probe:
    """What one amount of load led to.

    Attributes:
        configuration: The configuration's label.
        quantity: Of what: ``rate`` in requests a second, or ``concurrency`` in requests in flight.
        value: How much was asked for.
        requests: How many requests were sent.
        failures: How many of them failed.
        answered_rate: Answers a second, from the first request that was due until the last answer.
        p50_ms: Of those that succeeded; ``None`` if none did.
        p99_ms: Likewise; ``None`` if too few did to say anything about it.
        keeps_objective: Whether no request failed and the 99th percentile's 95 % interval is within the objective;
            ``None`` without one, or if the interval is on both sides of it.
        offered_rate: How many requests a second were sent where a rate was asked for: random arrivals are some more or
            fewer. ``None`` of a concurrency, and of runs of before it was kept.
    """

    configuration: str
    quantity: Quantity
    value: float
    requests: int
    failures: int
    answered_rate: float
    p50_ms: float | None
    p99_ms: float | None
    keeps_objective: bool | None
    offered_rate: float | None = None

    @property
    def amount(self) -> float:
        """How much was sent, as far as that is known."""
        return self.value if self.offered_rate is None else self.offered_rate


def judge_probe(
    configuration: str,
    quantity: Quantity,
    value: float,
    samples: Sequence[Sample],
    duration_ns: int,
    slo_p99_ms: float | None,
) -> Probe:
    """Sum up what one amount of load led to; pure.

    Args:
        configuration: The configuration's label.
        quantity: What is varied.
        value: How much was asked for.
        samples: The requests.
        duration_ns: From the first that was due until the last answer.
        slo_p99_ms: The objective; ``None`` judges nothing.

    Returns:
        The probe, without the offered rate.
    """
    latencies_ms = [sample.latency_ns / 1e6 for sample in samples if sample.is_counted]
    failures = sum(sample.status != OK for sample in samples)
    return Probe(
        configuration,
        quantity,
        value,
        len(samples),
        failures,
        len(latencies_ms) / (duration_ns / 1e9) if duration_ns else 0.0,
        percentile(latencies_ms, 50) if latencies_ms else None,
        percentile(latencies_ms, 99) if is_carried(len(latencies_ms), 99) else None,
        _keeps(latencies_ms, failures, slo_p99_ms),
    )


def _keeps(latencies_ms: Sequence[float], failures: int, slo_p99_ms: float | None) -> bool | None:
    if slo_p99_ms is None:
        return None
    states: dict[Kept, bool | None] = {"kept": True, "missed": False, "undecided": None}
    return False if failures else states[is_kept(percentile_interval(latencies_ms, 99), slo_p99_ms)]
