"""
The onion of middleware around each job: order in one place, composed once per worker.

A middleware is an async callable: it gets the `Context` and the next handler, and returns
what that returned. The first in the list is the outermost.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from runner.context import Context

Handler = Callable[[Context], Awaitable[Any]]


class Middleware(Protocol):
    """Wraps every attempt of every job of a worker."""

    def __call__(self, ctx: Context, call_next: Handler, /) -> Awaitable[Any]:
        """Run the attempt by `await call_next(ctx)`; what it raises decides the outcome."""
        ...


def compose(stack: Sequence[Middleware], innermost: Handler) -> Handler:
    """Fold *stack* around *innermost*, the first outermost."""
    handler = innermost
    for middleware in reversed(stack):
        handler = _bind(middleware, handler)
    return handler


def _bind(middleware: Middleware, call_next: Handler) -> Handler:
    def call(ctx: Context) -> Awaitable[Any]:
        return middleware(ctx, call_next)

    return call
