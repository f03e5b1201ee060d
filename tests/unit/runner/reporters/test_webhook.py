"""Failures over HTTP, to a real server."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest

from runner.errors import ConfigurationError, RunnerError
from runner.reporters.webhook import WebhookReporter

if TYPE_CHECKING:
    from runner.reporters import Failure
    from tests.unit.runner.reporters.conftest import Endpoint


async def test_webhook_posts_the_failure(endpoint: Endpoint, failure: Failure) -> None:
    """The server receives the documented JSON."""
    reporter = WebhookReporter(f"{endpoint.url}/hook/s3cret", headers={"X-Team": "data"})

    await reporter.report(failure)
    await reporter.close()

    request, body = endpoint.requests.get_nowait()
    document = json.loads(body)
    assert (request.url.path, request.headers["content-type"], request.headers["x-team"]) == (
        "/hook/s3cret",
        "application/json",
        "data",
    )
    assert (document["event"], document["final"]) == ("job.failed", True)
    assert document["job"] == {
        "id": "j1",
        "name": "analyze_channel",
        "queue": "analytics",
        "attempt": 6,
        "arguments": {"channel_id": "UC1"},
    }
    assert (document["error"]["type"], document["error"]["message"]) == (
        "LookupError",
        "no such channel",
    )
    assert "ValueError" in document["error"]["traceback"]


async def test_webhook_reports_again_after_it_was_closed(
    endpoint: Endpoint, failure: Failure
) -> None:
    """A worker that runs again, as under `arq --watch`, keeps its reporters."""
    reporter = WebhookReporter(f"{endpoint.url}/hook")
    await reporter.close()
    await reporter.report(failure)
    await reporter.close()

    assert endpoint.requests.qsize() == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://me:PW#1@h",
        "https://h:PW/hook",
        "https:/:PW@h",
        "ftp://me:PW@h",
        "PW",
        "https://[PW",
    ],
)
def test_address_that_cannot_be_read_is_never_quoted(url: str) -> None:
    """It may be a secret as a whole."""
    with pytest.raises(ConfigurationError, match="the webhook's URL is invalid") as raised:
        WebhookReporter(url)
    assert "PW" not in str(raised.value)


@pytest.mark.parametrize("url", ["https://h:443/x", "http://me:pw@h:8080", "https://[::1]/x"])
def test_address_may_have_a_port_and_a_user(url: str) -> None:
    """Whatever an http(s) address may have."""
    WebhookReporter(url)


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_webhook_refused_is_an_error_that_keeps_the_secret(
    status: int, endpoint: Endpoint, failure: Failure
) -> None:
    """The error has the host's answer, and not the path, which is a secret."""
    endpoint.status = status
    reporter = WebhookReporter(f"{endpoint.url}/hook/s3cret")

    with pytest.raises(RunnerError, match=f"^http://127.0.0.1/… answered {status}$"):
        await reporter.report(failure)
    await reporter.close()


async def test_webhook_gives_up_on_a_server_that_does_not_answer(
    endpoint: Endpoint, failure: Failure
) -> None:
    """No answer within the timeout is an error."""
    endpoint.open.clear()
    reporter = WebhookReporter(f"{endpoint.url}/hook/s3cret", timeout_s=0.05)

    with pytest.raises(RunnerError, match=r"^http://127\.0\.0\.1/…: \w+Timeout"):
        await reporter.report(failure)
    await reporter.close()


async def test_webhook_without_a_server_is_an_error(failure: Failure) -> None:
    """A refused connection is an error."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        reporter = WebhookReporter(f"http://127.0.0.1:{unused.getsockname()[1]}/s3cret")
        with pytest.raises(RunnerError, match="ConnectError") as raised:
            await reporter.report(failure)
    assert "s3cret" not in str(raised.value)
    await reporter.close()


@pytest.mark.parametrize("url", ["", "hooks.example.org/x", "ftp://example.org", "https://"])
def test_webhook_needs_a_url(url: str) -> None:
    """Anything but an http(s) URL is refused at start, not at the first failure."""
    with pytest.raises(ConfigurationError, match="https://HOST/PATH"):
        WebhookReporter(url)
