"""Set up OpenTelemetry for this process: spans go to an OTLP endpoint in batches."""

from __future__ import annotations

from runner.extras import extra

_sending = False


def send_traces(endpoint: str, *, service: str, release: str = "") -> None:
    """
    Send spans to *endpoint*, such as http://localhost:4318; only the first call has an effect.

    OpenTelemetry's OTEL_… variables set headers, sampling and limits. Waiting spans are sent when
    the process ends.

    Raises:
        MissingExtraError: OpenTelemetry is not installed.
    """
    global _sending  # noqa: PLW0603 -- OpenTelemetry accepts one provider per process
    if _sending:
        return
    with extra("otel", "an endpoint for traces"):
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    provider = TracerProvider(
        resource=Resource.create({"service.name": service, "service.version": release})
    )
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    _sending = True
