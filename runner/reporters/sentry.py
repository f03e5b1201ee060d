"""Send failures as events to Sentry, or to any service with a Sentry DSN."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from runner.errors import ConfigurationError
from runner.extras import extra
from runner.redaction import hiding, without_secrets

if TYPE_CHECKING:
    from sentry_sdk.types import Event

    from runner.reporters import Failure


class SentryReporter:
    """
    Sends each failure as an event with its own Sentry client.

    It installs no integration, hook or global client, so it does not interfere with a service's
    own `sentry_sdk.init`. Local variables are not sent.

    flush_limit_s: how long `close` waits for unsent events.

    Raises:
        ConfigurationError: sentry-sdk is not installed, or *dsn* is not a DSN.
    """

    def __init__(
        self,
        dsn: str,
        *,
        environment: str | None = None,
        release: str | None = None,
        flush_limit_s: float = 3.0,
    ) -> None:
        with extra("sentry", "a Sentry DSN"):
            import sentry_sdk
            from sentry_sdk.utils import BadDsn, event_from_exception
        self._connect = partial(
            sentry_sdk.Client,
            dsn=dsn,
            environment=environment,
            release=release,
            default_integrations=False,
            auto_enabling_integrations=False,
            include_local_variables=False,
        )
        try:
            self._client = self._connect()
        except (BadDsn, ValueError):
            # Its text would quote a part of the DSN, which is a secret.
            raise ConfigurationError(
                "the Sentry DSN is invalid: write it as https://KEY@HOST/PROJECT"
            ) from None
        self._is_closed = False
        self._flush_limit_s = flush_limit_s
        self._event_of = event_from_exception

    async def report(self, failure: Failure, /) -> None:
        """Queue an event, which the client's thread sends."""
        if self._is_closed:
            # A worker that is restarted in this process (`arq --watch`) reuses its reporters.
            self._client, self._is_closed = self._connect(), False
        # In a thread, because the client reads source files to show the lines of each frame.
        await asyncio.to_thread(self._capture, failure)

    async def close(self) -> None:
        """Wait for unsent events, within the limit, then close the client."""
        await asyncio.to_thread(self._client.close, timeout=self._flush_limit_s)
        self._is_closed = True

    def _capture(self, failure: Failure) -> None:
        event, _ = self._event_of(
            failure.exception,
            client_options=self._client.options,
            mechanism={"type": "pipeline", "handled": failure.final is False},
        )
        event["level"] = "error" if failure.final else "warning"
        event["transaction"] = failure.job_name
        event["tags"] = {
            "job_name": failure.job_name,
            "queue": failure.queue,
            "final": str(failure.final).lower(),
        }
        event["contexts"] = {"job": _job(failure)}
        with hiding(failure.hidden):
            # Without the hint, which has the exception itself: others could read it.
            self._client.capture_event(cast("Event", without_secrets(event)))


def _job(failure: Failure) -> dict[str, Any]:
    return {
        "type": "job",
        "job_id": failure.job_id,
        "job_name": failure.job_name,
        "queue": failure.queue,
        "attempt": failure.attempt,
        "arguments": dict(failure.arguments),
    }
