"""OpenTelemetry set up for this process: spans of attempts go to an OTLP endpoint, in batches."""

from __future__ import annotations

from runner.errors import ConfigurationError

_sending = False


def send_traces(endpoint: str, *, service: str, release: str = "") -> None:
    """
    Send spans to *endpoint*, such as http://localhost:4318, from now on; once in a process.

    The rest is OpenTelemetry's own: headers, sampling and limits by its OTEL_… variables. What
    waits to be sent as the process ends goes out then.

    Raises:
        ConfigurationError: OpenTelemetry is not installed.
    """
    global _sending  # noqa: PLW0603 -- OpenTelemetry takes one provider in a process
    if _sending:
        return
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ConfigurationError(
            f"traces need OpenTelemetry ({error}): pip install 'channel-pipeline[otel]'"
        ) from None
    provider = TracerProvider(
        resource=Resource.create({"service.name": service, "service.version": release})
    )
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    _sending = True
