"""What the server did, for Prometheus: requests by outcome, and the time of every phase."""

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from serverless_dnn.runtime.listening import cannot_listen
from serverless_dnn.runtime.metrics.tensorflow_serving import TensorFlowServingMetrics
from serverless_dnn.runtime.timing import PhaseTimer

# From a null model's tens of microseconds to a large model's seconds.
_BUCKETS_S = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)


class Metrics:
    """The metrics of one server.

    Args:
        tensorflow_serving: Show TensorFlow Serving's metrics too, under its names.
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
            "Time of a request's phases; total is from its arrival to its answer.",
            ("model", "phase"),
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self._tensorflow_serving = TensorFlowServingMetrics(self._registry) if tensorflow_serving else None

    def observe(self, method: str, status: str, timer: PhaseTimer) -> None:
        """Count a request.

        Args:
            method: Such as ``Predict``, or ``REST``.
            status: Such as ``OK`` or ``INVALID_ARGUMENT``.
            timer: Its timer.
        """
        self._requests.labels(method, timer.model, status).inc()
        for phase, dur_ns in timer.phases_ns.items():
            self._phases.labels(timer.model, phase).observe(dur_ns / 1e9)
        self._phases.labels(timer.model, "total").observe(timer.total_ns() / 1e9)
        if self._tensorflow_serving is not None:
            self._tensorflow_serving.observe(method, status, timer)

    def page(self) -> tuple[str, bytes]:
        """The metrics in Prometheus' text form: content type and body."""
        return CONTENT_TYPE_LATEST, generate_latest(self._registry)

    def listen(self, host: str, port: int) -> int:
        """Serve the page at ``/metrics`` on a port of its own, in a thread.

        Args:
            host: The address.
            port: The port; 0 takes any free one.

        Returns:
            The port listened on.

        Raises:
            UnavailableError: The host is not known or not this machine's, or the port is taken.
        """
        try:
            server, _ = start_http_server(port, host, self._registry)
        except OSError:
            raise cannot_listen(host, port) from None
        return int(server.server_port)
