"""
Continue a trace from the caller through its jobs to the jobs that they enqueue.

If a job was enqueued with a W3C traceparent, its log lines carry the trace id, and it passes the
trace on to the jobs that it enqueues. If the process has configured OpenTelemetry, the attempt is
also a span of that trace. Nothing here imports OpenTelemetry: configuring it loads it.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import structlog

from runner.codec import ErrorRecord
from runner.ending import Kind
from runner.enqueue import current_trace
from runner.lineage import trace_id
from runner.middleware.log_context import bound_variable
from runner.redaction import hiding

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator
    from contextlib import AbstractContextManager

    from runner.context import Context
    from runner.middleware import Handler


_trace_id = bound_variable("trace_id")


def tracing(ctx: Context, call_next: Handler, /) -> Awaitable[Any]:
    """Continue the trace that the job was enqueued with, if any."""
    if "opentelemetry.trace" in sys.modules or (ctx.trace is not None and ctx.board is None):
        return _traced(ctx, call_next)
    if ctx.trace is not None and (found := trace_id(ctx.trace)) is not None:
        # In a worker each attempt has its own task, which has the trace, and the binding ends with
        # it: a coroutine around the job would cost ten times as much.
        _trace_id.set(found)
    return call_next(ctx)


async def _traced(ctx: Context, call_next: Handler) -> Any:
    with _span(ctx) as traceparent:
        found = trace_id(traceparent)
        if found is None:
            return await call_next(ctx)
        tokens = structlog.contextvars.bind_contextvars(trace_id=found)
        token = current_trace.set(traceparent)
        try:
            return await call_next(ctx)
        finally:
            current_trace.reset(token)
            structlog.contextvars.reset_contextvars(**tokens)


def _span(ctx: Context) -> AbstractContextManager[str | None]:
    """Give the attempt's traceparent, that of a new span if OpenTelemetry is configured."""
    opentelemetry: Any = sys.modules.get("opentelemetry.trace")
    if opentelemetry is None or isinstance(
        opentelemetry.get_tracer_provider(), opentelemetry.ProxyTracerProvider
    ):
        return nullcontext(ctx.trace)
    return _opentelemetry_span(ctx, opentelemetry)


@contextmanager
def _opentelemetry_span(ctx: Context, opentelemetry: Any) -> Iterator[str | None]:
    w3c = importlib.import_module("opentelemetry.trace.propagation.tracecontext")
    propagator = w3c.TraceContextTextMapPropagator()
    with opentelemetry.get_tracer("runner").start_as_current_span(
        ctx.job_name,
        context=propagator.extract({"traceparent": ctx.trace} if ctx.trace else {}),
        kind=opentelemetry.SpanKind.CONSUMER,
        attributes={
            "messaging.system": "arq",
            "messaging.destination.name": ctx.queue,
            "messaging.message.id": ctx.job_id,
            "job.attempt": ctx.attempt,
        },
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        carrier: dict[str, str] = {}
        propagator.inject(carrier)
        try:
            yield carrier.get("traceparent")
        except BaseException as error:
            ending = ctx.ended_by(error)
            if ending.kind in {Kind.BURY, Kind.FAILURE}:
                with hiding(ctx.secrets()):
                    record = ErrorRecord.of(ending.error)
                span.add_event(
                    "exception",
                    {
                        "exception.type": record.error,
                        "exception.message": record.message,
                        "exception.stacktrace": record.traceback,
                    },
                )
                span.set_status(opentelemetry.StatusCode.ERROR, record.error)
            raise
