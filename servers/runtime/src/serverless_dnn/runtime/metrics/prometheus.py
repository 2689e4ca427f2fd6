"""Prometheus metrics: requests by outcome and in flight, and the duration of every phase."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from serverless_dnn.runtime.listening import cannot_listen
from serverless_dnn.runtime.metrics.tensorflow_serving import TensorFlowServingMetrics
from serverless_dnn.runtime.timing import PhaseTimer

# From tens of microseconds for a null model to seconds for a large one.
_BUCKETS_S = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)


class Metrics:
    """The metrics of one server.

    Args:
        tensorflow_serving: Expose TensorFlow Serving's metrics too, under its names.
    """

    def __init__(self, *, tensorflow_serving: bool = False) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._requests = Counter(
            "sdnn_requests", "Requests by outcome.", ("method", "model", "status"), registry=self._registry
        )
        self._phases = Histogram(
            "sdnn_phase_seconds",
            "Duration of a request's phases; total is from arrival to response.",
            ("model", "phase"),
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self._tensorflow_serving = TensorFlowServingMetrics(self._registry) if tensorflow_serving else None

    def observe(self, method: str, status: str, timer: PhaseTimer) -> None:
        """Count a request.

        Args:
            method: For example ``Predict``, or ``REST``.
            status: For example ``OK`` or ``INVALID_ARGUMENT``.
            timer: The request's timer.
        """
        self._requests.labels(method, timer.model, status).inc()
        for phase, dur_ns in timer.phases_ns.items():
            self._phases.labels(timer.model, phase).observe(dur_ns / 1e9)
        self._phases.labels(timer.model, "total").observe(timer.total_ns() / 1e9)
        if self._tensorflow_serving is not None:
            self._tensorflow_serving.observe(method, status, timer)

    def watch_in_flight(self, in_flight: Callable[[], int]) -> None:
        """Expose how many requests are running or waiting.

        Args:
            in_flight: Returns that number.
        """
        gauge = Gauge("sdnn_requests_in_flight", "Requests running or waiting.", registry=self._registry)
        gauge.set_function(in_flight)

    def page(self) -> tuple[str, bytes]:
        """The metrics in Prometheus' text format: content type and body."""
        return CONTENT_TYPE_LATEST, generate_latest(self._registry)

    def listen(self, host: str, port: int) -> int:
        """Serve the metrics at ``/metrics`` on a separate port, in a thread.

        Args:
            host: The address.
            port: The port; 0 picks any free one.

        Returns:
            The port listened on.

        Raises:
            UnavailableError: The host is unknown or not this machine, or the port is in use.
        """
        try:
            server, _ = start_http_server(port, host, self._registry)
        except OSError:
            raise cannot_listen(host, port) from None
        return int(server.server_port)
