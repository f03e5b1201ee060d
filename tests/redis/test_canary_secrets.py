"""No secret of a failing job is in any sink, whichever settings class runs it."""

from __future__ import annotations

import asyncio
import gzip
import logging
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request  # noqa: TC002 -- Starlette looks at the annotation
from starlette.responses import Response
from starlette.routing import Route

from runner import Context, job
from runner.operations.catalog import Catalog
from runner.operations.job import job as job_view
from runner.processes.http_server import serve_http
from runner.reporters.log import LogReporter
from runner.reporters.sentry import SentryReporter
from runner.reporters.webhook import WebhookReporter
from runner.telemetry.logs import configure_logging
from tests.runner_kit import eventually, history, working

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from runner import Job, QueueClient
    from runner.reporters import Reporter

CANARY = "c4n4ry-" + "".join(reversed("eulav-terces-eht"))
"""Not in one piece in this file, whose lines Sentry shows."""

OTHER = CANARY.replace("c4n4ry", "0th3r-c4n4ry")


class Login(BaseModel):
    """Credentials as a model."""

    user: str
    password: str


@dataclass
class Account:
    """Credentials as a dataclass."""

    api_key: str


def _look_up(text: str) -> None:
    raise LookupError(text)


@job(queue="default", max_retries=0, redact=["email"])
async def sign_in(
    ctx: Context,
    *,
    password: str,
    login: Login,
    account: Account,
    email: str,
    url: str,
    nested: Any,
) -> None:
    """Do with secrets all that a careless job does, and fail."""
    copy_of_it = [password]
    structlog.get_logger("jobs.careless").info("signing in", token=password, what=f"as {password}")
    structlog.get_logger("jobs.careless").info("at %s", url)
    logging.getLogger("jobs.careless").warning("Authorization: Bearer %s", password)
    ctx.progress(1, 2, f"token={password}")
    try:
        _look_up(f"{login.password} {account.api_key} {email}")
    except LookupError as error:
        structlog.get_logger("jobs.careless").exception("careless")
        error.add_note(f"with {copy_of_it} and {nested}")
        raise ConnectionError(f"cannot reach {url} with {copy_of_it[0]!r}") from error


@job(queue="default", max_retries=0, redact=["email"])
async def sign_in_silently(
    ctx: Context,
    *,
    password: str,
    login: Login,
    account: Account,
    email: str,
    url: str,
    nested: Any,
) -> None:
    """Fail likewise, and log nothing."""
    everything = [ctx.job_id, password, login, account, email, url, nested]
    raise ConnectionError(f"cannot reach {url} with {password!r}, {everything}")


@dataclass
class Sinks:
    """Where a worker reports to, and what came there."""

    url: str = ""
    bodies: list[str] = field(default_factory=list)
    metrics: list[bytes] = field(default_factory=list)
    statsd_port: int = 0

    async def take(self, request: Request) -> Response:
        """Keep what is posted."""
        body = await request.body()
        is_packed = request.headers.get("content-encoding") == "gzip"
        self.bodies.append((gzip.decompress(body) if is_packed else body).decode())
        return Response("{}", media_type="application/json")

    def reporters(self) -> tuple[Reporter, ...]:
        """Return the three that the runner has."""
        sentry = self.url.replace("://", "://public@") + "/42"
        return LogReporter(), WebhookReporter(f"{self.url}/hook"), SentryReporter(sentry)


@pytest.fixture
async def sinks(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sinks]:
    """Run a webhook, a Sentry and a StatsD that keep what they get."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    made = Sinks()

    class Packets(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, _: Any) -> None:
            made.metrics.append(data)

    loop = asyncio.get_running_loop()
    udp, _ = await loop.create_datagram_endpoint(Packets, local_addr=("127.0.0.1", 0))
    made.statsd_port = udp.get_extra_info("sockname")[1]
    app = Starlette(routes=[Route("/{path:path}", made.take, methods=["POST"])])
    async with serve_http(app, "127.0.0.1", 0) as made.url:
        yield made
    udp.close()


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Configure OpenTelemetry, and keep its spans."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)  # setting it would outlive the test
    return exporter


@contextmanager
def _logging(way: str) -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    structlog.reset_defaults()
    if way in {"console", "json"}:
        configure_logging(way, "DEBUG", job_lines=20)  # type: ignore[arg-type]  # one of the two
    elif way == "an application's own":
        structlog.configure(processors=list(structlog.get_config()["processors"]))
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()


@pytest.mark.parametrize(
    ("way", "careless"),
    [
        ("unconfigured", sign_in),
        ("unconfigured", sign_in_silently),
        ("console", sign_in),
        ("json", sign_in),
        # What a job logs is rendered by what the application has configured; the runner's lines
        # are safe there, too.
        ("an application's own", sign_in_silently),
    ],
)
async def test_no_secret_of_a_failing_job_is_in_any_sink(
    redis: QueueClient,
    redis_url: str,
    *,
    sinks: Sinks,
    spans: InMemorySpanExporter,
    capfd: pytest.CaptureFixture[str],
    way: str,
    careless: Job[Any, Any],
) -> None:
    """Not in logs, history, dead job, page, webhook, Sentry, StatsD or traces."""
    statsd = ("127.0.0.1", sinks.statsd_port)
    with _logging(way):
        async with working(redis_url, careless, reporters=sinks.reporters(), statsd=statsd):
            handle = await careless.enqueue(
                password=CANARY,
                login=Login(user="me", password=OTHER),
                account=Account(OTHER),
                email=OTHER,
                url=f"redis://me@corp.example:{CANARY}@cache/0",
                nested=[{"name": "DB_PASSWORD", "value": OTHER}, ["--token", OTHER]],
            )
            await eventually(lambda: len(sinks.bodies) == 2 and bool(sinks.metrics))

    out, err = capfd.readouterr()
    view = await job_view(redis, "default", handle.id, Catalog.of([careless]))
    shown = {
        "log": out + err,
        "history": repr(await history(redis, handle.id)),
        "page": repr(view),
        "reports": "".join(sinks.bodies),
        "metrics": repr(sinks.metrics),
        "traces": "".join(span.to_json() for span in spans.get_finished_spans()),
    }
    for sink in ("log", "history", "page", "reports", "traces"):
        assert "cannot reach" in shown[sink], sink
    assert b"worker.failure" in b"".join(sinks.metrics)
    assert len(shown["log"]) < 30_000
    for sink, text in shown.items():
        for canary in (CANARY, OTHER):
            at = text.find(canary)
            assert at < 0, f"{sink}: {text[max(0, at - 300) : at + 60]}"
