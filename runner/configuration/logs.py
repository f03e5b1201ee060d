"""Log lines and traces, as configured."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from runner.telemetry.logs import configure_logging

if TYPE_CHECKING:
    from runner.configuration.environment import Settings

_NOISY = ("uvicorn.error", "watchfiles")
"""Libraries whose lines below a warning help nobody."""


def configure_logs(settings: Settings) -> None:
    """Send log lines to standard error, and traces to the endpoint, if *settings* have one."""
    configure_logging(settings.log_format, settings.log_level, job_lines=settings.log_lines_per_job)
    if settings.otel_exporter_otlp_endpoint:
        from runner.telemetry.traces import send_traces

        send_traces(
            settings.otel_exporter_otlp_endpoint,
            service=settings.otel_service_name,
            release=settings.release,
        )
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))
