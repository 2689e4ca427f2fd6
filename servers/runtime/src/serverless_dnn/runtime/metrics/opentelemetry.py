"""OpenTelemetry traces of calls, using its own libraries and its own environment variables (``OTEL_...``)."""

from typing import Any

from opentelemetry import trace
from opentelemetry.instrumentation.grpc import aio_server_interceptor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def trace_interceptor() -> Any:
    """Set up trace export and make the interceptor that records one span per call.

    Returns:
        The interceptor; spans go to the OTLP endpoint that ``OTEL_EXPORTER_OTLP_ENDPOINT`` names.
    """
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return aio_server_interceptor()  # type: ignore[no-untyped-call]
