"""TensorFlow Serving's metrics, under its names so that its dashboards work, for ``sdnn-model-server``.

Names, labels and units are those of tensorflow/serving (servables/tensorflow/util.cc, util/prometheus_exporter.cc),
which turns every character that Prometheus does not allow into a colon.
"""

import threading
from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from serverless_dnn.runtime.timing import PhaseTimer

_PREFIX = ":tensorflow:serving:"
_METHODS = frozenset({"Predict", "Classify", "Regress", "MultiInference"})
# Microseconds, growing by a factor of 1.8 from 10, as in TensorFlow Serving.
_BUCKETS_US = tuple(10 * 1.8**number for number in range(33))


class TensorFlowServingMetrics(Collector):
    """Requests by outcome, and their latency.

    Args:
        registry: The registry that exposes them.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._request_latency, self._runtime_latency = (
            Histogram(
                f"{_PREFIX}{name}_latency",
                f"Distribution of wall time (in microseconds) for {what}.",
                ("model_name", "API", label),
                buckets=_BUCKETS_US,
                registry=registry,
            )
            for name, what, label in (
                ("request", "Tensorflow Serving request", "entrypoint"),
                ("runtime", "Tensorflow runtime", "runtime"),
            )
        )
        registry.register(self)

    def observe(self, method: str, status: str, timer: PhaseTimer) -> None:
        """Count a request; calls that do not run a model are not counted.

        Args:
            method: For example ``Predict``, or ``REST``.
            status: For example ``OK``.
            timer: The request's timer.
        """
        api = timer.method or method
        if api not in _METHODS:
            return
        with self._lock:
            self._requests[timer.model, status] += 1
        if status != "OK":
            return
        entrypoint = "REST" if method == "REST" else "GRPC"
        self._request_latency.labels(timer.model, api, entrypoint).observe(timer.total_ns() / 1e3)
        if (compute_ns := timer.phases_ns.get("compute")) is not None:
            self._runtime_latency.labels(timer.model, api, "sdnn").observe(compute_ns / 1e3)

    def collect(self) -> Iterator[Metric]:
        """The request count, whose name lacks the suffix this library requires of counters; see ``Collector``."""
        name = f"{_PREFIX}request_count"
        metric = Metric(name, "The total number of requests.", "unknown")
        with self._lock:
            for (model, status), count in sorted(self._requests.items()):
                metric.add_sample(name, {"model_name": model, "status": status}, count)
        yield metric
