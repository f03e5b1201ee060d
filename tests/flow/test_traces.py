"""One trace from a caller's span through its job to that job's own, at a real OTLP receiver."""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = """
import asyncio, sys
from opentelemetry import trace
from runner import Context, WorkerSettings, connect, job
from runner.current import use
from runner.telemetry.traces import send_traces

@job(queue="default")
async def second(ctx: Context) -> None:
    pass

@job(queue="default")
async def first(ctx: Context) -> None:
    await second.enqueue()

class Settings(WorkerSettings):
    queue = "default"
    jobs = (first, second)
    redis = sys.argv[1]
    idle_poll_s = 0.05

async def main() -> None:
    send_traces(sys.argv[2], service="test", release="v7")
    client = connect(sys.argv[1])
    use(client)
    with trace.get_tracer("caller").start_as_current_span("request"):
        await first.enqueue()
    await client.aclose()
    worker = Settings.worker(burst=True, handle_signals=False)
    worker.cron_jobs = []
    await worker.async_run()
    await worker.close()

asyncio.run(main())
"""


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[Any]]]:
    """Give a server that takes spans, and those that it took."""
    spans: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            message = ExportTraceServiceRequest.FromString(body)
            for resource in message.resource_spans:
                for scope in resource.scope_spans:
                    spans.extend(scope.spans)
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", spans
    server.shutdown()
    server.server_close()
    thread.join()


def test_trace_runs_from_the_caller_through_its_jobs(
    redis_url: str, receiver: tuple[str, list[Any]]
) -> None:
    """Each attempt is a span, and its parent is the one that enqueued it."""
    endpoint, spans = receiver
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, redis_url, endpoint],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    by_name = {span.name: span for span in spans}
    assert set(by_name) == {"request", "first", "second"}
    assert len({span.trace_id for span in spans}) == 1
    assert by_name["first"].parent_span_id == by_name["request"].span_id
    assert by_name["second"].parent_span_id == by_name["first"].span_id
    attributes = {one.key: one.value for one in by_name["first"].attributes}
    assert attributes["messaging.destination.name"].string_value == "default"
