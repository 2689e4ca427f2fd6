"""OpenTelemetry traces of calls, through its own libraries and configured by its own variables (``OTEL_...``)."""

from typing import Any

from opentelemetry import trace
from opentelemetry.instrumentation.grpc import aio_server_interceptor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def trace_interceptor() -> Any:
    """Set up the export of traces and make the interceptor that records a span a call.

    Returns:
        The interceptor; spans go to the OTLP endpoint that ``OTEL_EXPORTER_OTLP_ENDPOINT`` names.
    """
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return aio_server_interceptor()  # type: ignore[no-untyped-call]
