"""Where failures are reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.reporters.log import LogReporter

if TYPE_CHECKING:
    from runner.configuration.environment import Settings
    from runner.reporters import Reporter


def make_reporters(settings: Settings) -> tuple[Reporter, ...]:
    """
    The log, and Sentry and the webhook if they are configured. A worker closes the ones it has.

    Raises:
        ConfigurationError: A DSN or URL is wrong, or the package it needs is missing.
    """
    reporters: list[Reporter] = [LogReporter()]
    if settings.sentry_dsn:
        from runner.reporters.sentry import SentryReporter

        reporters.append(SentryReporter(settings.sentry_dsn))
    if settings.error_webhook_url:
        from runner.reporters.webhook import WebhookReporter

        reporters.append(WebhookReporter(settings.error_webhook_url))
    return tuple(reporters)
