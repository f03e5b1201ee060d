"""Failures as Sentry events, sent to a real endpoint."""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
import sentry_sdk

from runner.errors import ConfigurationError
from runner.reporters.sentry import SentryReporter

if TYPE_CHECKING:
    from runner.reporters import Failure
    from tests.unit.runner.reporters.conftest import Endpoint


async def _event(endpoint: Endpoint) -> tuple[str, dict[str, Any]]:
    """Return the path and the event of the next envelope."""
    async with asyncio.timeout(10):
        request, body = await endpoint.requests.get()
    if request.headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    _, item, event = body.split(b"\n")[:3]
    assert json.loads(item)["type"] == "event"
    return request.url.path, json.loads(event)


async def test_sentry_gets_the_failure_as_an_event(endpoint: Endpoint, failure: Failure) -> None:
    """The event has exception and cause, the job as tags and context, and no local variables."""
    dsn = endpoint.url.replace("://", "://public@") + "/42"
    reporter = SentryReporter(dsn, environment="test", release="1.0")

    await reporter.report(failure)
    await reporter.close()

    path, event = await _event(endpoint)
    assert path == "/api/42/envelope/"
    assert "hunter2" not in json.dumps(event)
    assert [e["type"] for e in event["exception"]["values"]] == ["ValueError", "LookupError"]
    assert (event["level"], event["transaction"]) == ("error", "analyze_channel")
    assert (event["environment"], event["release"]) == ("test", "1.0")
    assert event["tags"].items() >= {"queue": "analytics", "final": "true"}.items()
    assert (
        event["contexts"]["job"].items()
        >= {
            "job_id": "j1",
            "attempt": 6,
            "arguments": {"channel_id": "UC1"},
        }.items()
    )
    frames = event["exception"]["values"][-1]["stacktrace"]["frames"]
    assert all("vars" not in frame for frame in frames)


async def test_sentry_reports_again_after_it_was_closed(
    endpoint: Endpoint, failure: Failure
) -> None:
    """A worker that runs again, as under `arq --watch`, keeps its reporters."""
    reporter = SentryReporter(endpoint.url.replace("://", "://public@") + "/42")
    await reporter.close()
    await reporter.report(failure)
    await reporter.close()

    _, event = await _event(endpoint)
    assert event["transaction"] == "analyze_channel"


async def test_sentry_reporter_leaves_the_process_as_it_was(
    endpoint: Endpoint, failure: Failure
) -> None:
    """It installs no hooks: a service's own Sentry is not changed."""
    hooks = (sys.excepthook, sys.unraisablehook)
    dsn = endpoint.url.replace("://", "://public@") + "/42"

    reporter = SentryReporter(dsn)
    await reporter.report(failure)
    await reporter.close()

    assert (sys.excepthook, sys.unraisablehook) == hooks
    assert not sentry_sdk.is_initialized()


async def test_sentry_away_costs_the_loop_nothing(endpoint: Endpoint, failure: Failure) -> None:
    """Reporting returns though the endpoint does not answer; closing gives up after its limit."""
    endpoint.open.clear()
    reporter = SentryReporter(endpoint.url.replace("://", "://public@") + "/42", flush_limit_s=0.05)

    async with asyncio.timeout(5):
        await reporter.report(failure)
        await reporter.close()
    endpoint.open.set()


@pytest.mark.parametrize("dsn", ["nonsense", "https://example.org/1", "https://key@example.org/"])
def test_sentry_reporter_needs_a_dsn(dsn: str) -> None:
    """A wrong DSN is refused at start."""
    with pytest.raises(ConfigurationError, match="https://KEY@HOST/PROJECT"):
        SentryReporter(dsn)
