"""
Middleware around each attempt of a job, composed once per worker.

A middleware is an async callable: it gets the `Context` and the next handler, and returns what
that handler returns. The first in the list is the outermost.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from runner.context import Context

Handler = Callable[[Context], Awaitable[Any]]


class Middleware(Protocol):
    """Wraps every attempt of every job of a worker."""

    def __call__(self, ctx: Context, call_next: Handler, /) -> Awaitable[Any]:
        """Run the attempt with `await call_next(ctx)`; an exception decides the outcome."""
        ...


def compose(stack: Sequence[Middleware], innermost: Handler) -> Handler:
    """Wrap *innermost* in *stack*, whose first middleware becomes the outermost."""
    handler = innermost
    for middleware in reversed(stack):
        handler = _bind(middleware, handler)
    return handler


def _bind(middleware: Middleware, call_next: Handler) -> Handler:
    def call(ctx: Context) -> Awaitable[Any]:
        return middleware(ctx, call_next)

    return call
