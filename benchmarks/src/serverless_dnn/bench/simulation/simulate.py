"""Simulate a load on a platform.

Two simulators answer: one exact pass over a heap where every instance takes one request at a time and requests wait for
the instance that is started for them (AWS Lambda, SageMaker), about 1 µs a request; SimPy, event by event, for
everything else (Cloud Run), about 5 µs a request. On what both can do they agree.
"""

import numpy as np

from serverless_dnn.bench.simulation.behaviour import Behaviour, Floats
from serverless_dnn.bench.simulation.outcome import Outcome
from serverless_dnn.bench.simulation.scaling import Scaling
from serverless_dnn.bench.simulation.shared_instances import serve_shared
from serverless_dnn.bench.simulation.single_requests import serve_single_requests


def simulate(
    arrivals_s: Floats, behaviour: Behaviour, scaling: Scaling, *, warm_instances: int = 0, seed: int = 0
) -> Outcome:
    """Simulate a load on a platform.

    Args:
        arrivals_s: When each request is due, in order.
        behaviour: What was measured of the configuration.
        scaling: The platform's rules.
        warm_instances: How many instances run at the start, those that are kept included.
        seed: The same seed gives the same outcome.

    Returns:
        What became of every request and every instance.
    """
    arrivals_s = np.asarray(arrivals_s, dtype=np.float64)
    draws = behaviour.draw(arrivals_s.size, seed)
    if scaling.requests_per_instance == 1 and scaling.is_pinned and scaling.target is None:
        return serve_single_requests(arrivals_s, draws, scaling, warm_instances)
    return serve_shared(arrivals_s, draws, scaling, behaviour, warm_instances)
