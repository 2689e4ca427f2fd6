"""A burst that finds no instance: what became of it here, and what the platforms' rules make of it."""

import math
import statistics
from collections import Counter
from collections.abc import Sequence

from scipy.special import stdtrit  # type: ignore[import-untyped]

from serverless_dnn.bench.analysis.estimates import MIN_PAIRED_ROUNDS
from serverless_dnn.bench.analysis.joining import Request
from serverless_dnn.bench.analysis.results import Estimate
from serverless_dnn.bench.analysis.statistics import CONFIDENCE, Interval
from serverless_dnn.bench.experiments.paper import q1a
from serverless_dnn.bench.experiments.paper.evidence import Evidence
from serverless_dnn.bench.experiments.paper.options import ALL_MODELS
from serverless_dnn.bench.experiments.paper.rerun import Rerun
from serverless_dnn.bench.experiments.paper.scale_out import REQUESTS, Burst, cold_burst
from serverless_dnn.bench.experiments.paper.shown import engine_name, title_of
from serverless_dnn.bench.load.samples import OK
from serverless_dnn.bench.report.paper_results import Table
from serverless_dnn.bench.report.wording import ABSENT, number

QUEUE_STARTS, QUEUE_S = 3.5, 10.0
"""Cloud Run lets a request wait for so many starts, and at least so long, by its documentation.

https://cloud.google.com/run/docs/about-instance-autoscaling.
"""
TIME_OUTS_S = {"lambda": 30.0, "sagemaker": 60.0}
"""API Gateway's, through which the paper calls its function, and SageMaker's."""


def wait_limit_s(requests: Sequence[Request]) -> float:
    """How long Cloud Run would let a request of a burst wait, by the starts of the burst itself.

    Args:
        requests: The burst's requests.
    """
    starts_s = [
        (each.instance.ready_ns - each.instance.begin_ns) / 1e9
        for each in requests
        if each.sample.cold and each.instance is not None and each.instance.ready_ns is not None
    ]
    return max(QUEUE_S, QUEUE_STARTS * statistics.fmean(starts_s)) if starts_s else QUEUE_S


def is_completed(request: Request, platform: str, limit_s: float) -> bool:
    """Whether the platform would have answered a request that was answered here.

    Args:
        request: The request.
        platform: The platform.
        limit_s: How long Cloud Run would let it wait.
    """
    if request.sample.status != OK:
        return False
    if platform == "cloudrun" and request.invocation is not None:
        return request.invocation.begin_ns - request.invocation.arrival_ns <= limit_s * 1e9
    return request.sample.latency_ns <= TIME_OUTS_S.get(platform, limit_s) * 1e9


def completed(evidence: Evidence, label: str) -> tuple[list[Request], list[Request]]:
    """The requests of the bursts that the platform would have answered, and all of them.

    Args:
        evidence: A run of bursts that find no instance.
        label: The configuration, named like its platform.
    """
    requests = evidence.rows.requests(label, "burst")
    limit_s = wait_limit_s(requests)
    return [each for each in requests if is_completed(each, label, limit_s)], requests


def share_not_completed(evidence: Evidence, label: str) -> Estimate | None:
    """The share of requests that the platform would not have answered.

    Args:
        evidence: A run of bursts that find no instance.
        label: The configuration.

    Returns:
        The mean of the bursts' shares, with Student's interval over them where there are three or more: the requests of
        one burst share its starts. ``None`` without requests.
    """
    done, requests = completed(evidence, label)
    if not requests:
        return None
    lost = Counter(each.sample.round for each in requests)
    lost.subtract(each.sample.round for each in done)
    sent = Counter(each.sample.round for each in requests)
    shares = [lost[each] / count for each, count in sent.items()]
    mean = statistics.fmean(shares)
    if len(shares) < MIN_PAIRED_ROUNDS:
        return Estimate(mean, None, len(shares))
    half = float(stdtrit(len(shares) - 1, (1 + CONFIDENCE) / 2)) * statistics.stdev(shares) / math.sqrt(len(shares))
    return Estimate(mean, Interval(max(0.0, mean - half), min(1.0, mean + half)), len(shares))


def table(rerun: Rerun) -> Table:
    """What became of the bursts here, and in simulations.

    Args:
        rerun: The rerun.
    """
    rows = tuple(
        _row(rerun, model, engine, label, evidence)
        for model in ALL_MODELS
        for engine in q1a.ENGINES
        for evidence, label in rerun.labelled("q4", f"{model}-burst-{engine}")
    )
    header = (
        "model", "engine", "platform", "instances here", f"answered of {REQUESTS} here, at s",
        "within the platform's limits", f"{REQUESTS} instances, simulated, at s", "one instance, simulated, at s",
    )  # fmt: skip
    return Table(f"{REQUESTS} requests at once that find no instance: how many are answered, and when", header, rows)


def _row(rerun: Rerun, model: str, engine: str, label: str, evidence: Evidence) -> tuple[str, ...]:
    measured = evidence.measured(label)
    assert measured is not None
    done, requests = completed(evidence, label)
    answered = [each for each in requests if each.sample.status == OK]
    rounds = max(1, round(len(requests) / REQUESTS))
    last_s = max((each.sample.latency_ns for each in answered), default=0) / 1e9
    warm_run = rerun.of(q1a.NAME).get(q1a.run_name(model, engine))
    warm = warm_run.requests(label) if warm_run else []
    cold_run = rerun.of("q4").get(f"{model}-{engine}")
    cold = cold_run.requests(label, "cold") if cold_run else []
    return (
        title_of(model),
        engine_name(evidence, label, engine),
        label,
        str(measured.configuration.instances),
        f"{len(answered) / rounds:g}, {number(last_s)}" if answered else "0",
        f"{len(done) / rounds:g}",
        _simulated(cold_burst(warm, cold, label)),
        _simulated(cold_burst(warm, cold, label, most_instances=1)),
    )


def _simulated(burst: Burst | None) -> str:
    if burst is None:
        return ABSENT
    return f"{burst.answered}, {number(burst.last_ms / 1e3)}" if burst.last_ms is not None else f"{burst.answered}"
