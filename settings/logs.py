"""Log lines as configured, without those of libraries that tell nobody anything."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from runner.telemetry.logs import configure_logging

if TYPE_CHECKING:
    from settings.environment import Settings

_TALKATIVE = ("alembic", "uvicorn.error", "watchfiles")


def configure_logs(settings: Settings) -> None:
    """Send log lines to standard error as *settings* say, and traces where they name a place."""
    configure_logging(settings.log_format, settings.log_level, job_lines=settings.log_lines_per_job)
    if settings.otel_exporter_otlp_endpoint:
        from runner.telemetry.traces import send_traces

        send_traces(
            settings.otel_exporter_otlp_endpoint,
            service=settings.otel_service_name,
            release=settings.release,
        )
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))
