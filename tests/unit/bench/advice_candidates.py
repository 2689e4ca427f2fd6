"""Candidates with times that are easy to reckon with, and advice on them."""

import numpy as np

from serverless_dnn.bench.analysis.prices import PriceTable, packaged_prices
from serverless_dnn.bench.simulation.advice import Advice, advise
from serverless_dnn.bench.simulation.behaviour import Behaviour
from serverless_dnn.bench.simulation.bills import Size
from serverless_dnn.bench.simulation.demand import SteadyDemand
from serverless_dnn.bench.simulation.evaluation import Market
from serverless_dnn.bench.simulation.options import Candidate

PRICES = packaged_prices()
REQUESTS = 5000


def candidate(
    label: str, platform: str, memory_mb: int, service_ms: float, start_ms: float = 500.0, cpus: float = 1.0
) -> Candidate:
    random = np.random.default_rng(len(label))
    service_s = service_ms / 1e3 * random.lognormal(0, 0.1, 400)
    behaviour = Behaviour(
        service_s=service_s, overhead_s=np.full(400, 0.002), start_s=np.full(5, start_ms / 1e3),
        start_billed_s=np.full(5, start_ms / 1e3), first_service_s=np.full(5, 2 * service_ms / 1e3),
        first_overhead_s=np.full(5, 0.002), cpus=cpus, cpus_per_request=cpus, workers=1,
    )  # fmt: skip
    title = {"lambda": "AWS Lambda", "sagemaker": "SageMaker Serverless", "cloudrun": "Cloud Run"}[platform]
    size = Size(platform, memory_mb, cpus, 600_000)
    return Candidate(label, title, "", size, behaviour, 16 if platform == "cloudrun" else 1)


THREE = (
    candidate("lambda", "lambda", 1769, 8),
    candidate("sagemaker", "sagemaker", 2048, 8, 900),
    candidate("cloudrun", "cloudrun", 2048, 6, 700),
)
TWO_SIZES = (candidate("small", "lambda", 1024, 30), candidate("large", "lambda", 3008, 12))


def advise_at(
    candidates: tuple[Candidate, ...], rate: float, slo_ms: float, prices: PriceTable = PRICES, **more: object
) -> Advice:
    return advise(candidates, SteadyDemand(rate), Market(slo_ms, prices, **more), requests=REQUESTS)
