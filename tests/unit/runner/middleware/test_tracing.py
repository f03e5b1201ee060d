"""A trace continues from the caller into the job, and from there into the jobs it enqueues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import structlog

from runner.enqueue import current_trace
from runner.lineage import trace_id
from runner.middleware.tracing import tracing

if TYPE_CHECKING:
    from runner.context import Context
    from tests.unit.runner.middleware.conftest import MakeContext

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"


async def _look(_: Context) -> tuple[Any, str | None]:
    return structlog.contextvars.get_contextvars().get("trace_id"), current_trace.get()


async def test_tracing_continues_the_callers_trace(make_context: MakeContext) -> None:
    """Log lines have the trace id, and jobs enqueued by the job have the trace."""
    assert await tracing(make_context(trace=TRACEPARENT), _look) == (TRACE_ID, TRACEPARENT)
    assert structlog.contextvars.get_contextvars() == {}
    assert current_trace.get() is None


@pytest.mark.parametrize(
    "trace",
    [
        None,
        "",
        "nonsense",
        f"ff-{TRACE_ID}-00f067aa0ba902b7-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID.upper()}-00f067aa0ba902b7-01",
    ],
)
async def test_tracing_does_nothing_without_a_valid_trace(
    trace: str | None, make_context: MakeContext
) -> None:
    """An invalid traceparent is ignored, and the job runs."""
    assert trace_id(trace) is None
    assert await tracing(make_context(trace=trace), _look) == (None, None)


async def test_tracing_makes_a_span_where_opentelemetry_is_set_up(
    make_context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt is a span under the caller's, and the jobs it enqueues continue from it."""
    sdk = pytest.importorskip(
        "opentelemetry.sdk.trace", reason="opentelemetry-sdk is not installed"
    )
    api = pytest.importorskip("opentelemetry.trace")
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    export = pytest.importorskip("opentelemetry.sdk.trace.export")
    exporter = memory.InMemorySpanExporter()
    provider = sdk.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    monkeypatch.setattr(api, "_TRACER_PROVIDER", provider)  # setting it would outlive the test

    bound, handed_on = await tracing(make_context(trace=TRACEPARENT), _look)

    (span,) = exporter.get_finished_spans()
    assert (span.name, span.attributes["messaging.message.id"]) == ("analyze_channel", "j1")
    assert f"{span.parent.span_id:016x}" == "00f067aa0ba902b7"
    assert bound == TRACE_ID
    assert handed_on == f"00-{TRACE_ID}-{span.context.span_id:016x}-01"
