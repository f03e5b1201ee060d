"""A middleware: what a job opened by Django's ORM and caches is closed as after a request."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.core.cache import caches
from django.db import close_old_connections, connections, reset_queries

from runner.threads import surrounded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.context import Context
    from runner.middleware import Handler


async def close_connections(ctx: Context, call_next: Handler, /) -> Any:
    """
    Run the attempt, and give back its connections to databases and caches.

    A plain function keeps those of its thread for `CONN_MAX_AGE`, as a request does; by default it
    closes them. A coroutine has a thread for its queries to itself, and closes all that is open
    there.
    """
    if ctx.job.in_thread:
        with surrounded(_as_around_a_request):
            return await call_next(ctx)
    async with ThreadSensitiveContext():
        try:
            return await call_next(ctx)
        finally:
            await sync_to_async(_close_all, thread_sensitive=True)()


@contextmanager
def _as_around_a_request() -> Iterator[None]:
    reset_queries()
    close_old_connections()
    try:
        yield
    finally:
        close_old_connections()
        caches.close_all()


def _close_all() -> None:
    connections.close_all()
    caches.close_all()
