"""
POST failures as JSON to a URL.

    {"event": "job.failed", "final": true, "at": "2026-01-31T12:00:00+00:00",
     "job": {"id": …, "name": …, "queue": …, "attempt": …, "arguments": {…}},
     "error": {"type": …, "message": …, "traceback": …}}
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from runner import wall_clock
from runner.codec import encode_shown
from runner.errors import ConfigurationError, RunnerError
from runner.extras import extra

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.reporters import Failure


class WebhookReporter:
    """
    POSTs each failure to *url*. The URL may itself be a secret, so messages never show its path.

    timeout_s: for connecting, and for each wait on the answer.

    Raises:
        ConfigurationError: httpx is not installed, or *url* is not an http(s) URL.
    """

    def __init__(
        self, url: str, *, timeout_s: float = 5.0, headers: Mapping[str, str] | None = None
    ) -> None:
        with extra("webhook", "ERROR_WEBHOOK_URL"):
            import httpx

            from runner.egress.client import egress_client, web_address
        address = web_address(url)
        if address is None:
            raise ConfigurationError("the webhook's URL is invalid: write it as https://HOST/PATH")
        self._url = url
        self._shown = f"{address.scheme}://{address.host}/…"
        self._error_type = httpx.HTTPError
        # The operator chose the address, so it may be private; it is not led elsewhere.
        self._connect = partial(
            egress_client, allow_private=True, timeout=timeout_s, headers=headers
        )
        self._client = self._connect()

    async def report(self, failure: Failure, /) -> None:
        """
        Send *failure*.

        Raises:
            RunnerError: There was no answer, or it was not 2xx.
        """
        if self._client.is_closed:
            # A worker that is restarted in this process (`arq --watch`) reuses its reporters.
            self._client = self._connect()
        try:
            # The status is all that counts: a body of any length is left unread.
            async with self._client.stream(
                "POST",
                self._url,
                content=encode_shown(_document(failure)),
                headers={"content-type": "application/json"},
            ) as answer:
                pass
        except self._error_type as error:
            raise RunnerError(f"{self._shown}: {type(error).__name__}: {error}") from None
        if not answer.is_success:
            raise RunnerError(f"{self._shown} answered {answer.status_code}")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _document(failure: Failure) -> dict[str, Any]:
    record = failure.error
    return {
        "event": "job.failed",
        "final": failure.final,
        "at": wall_clock.now().isoformat(timespec="seconds"),
        "job": {
            "id": failure.job_id,
            "name": failure.job_name,
            "queue": failure.queue,
            "attempt": failure.attempt,
            "arguments": failure.arguments,
        },
        "error": {
            "type": record.error,
            "message": record.message,
            "traceback": record.traceback,
        },
    }
