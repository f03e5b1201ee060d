"""The onion of middleware: its order, and what passes through it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runner.errors import ArgumentsError
from runner.middleware import compose
from runner.middleware.validation import Validation

if TYPE_CHECKING:
    from runner.context import Context
    from runner.middleware import Handler, Middleware
    from tests.unit.runner.middleware.conftest import MakeContext


def _noting(name: str, notes: list[str]) -> Middleware:
    async def note(ctx: Context, call_next: Handler) -> Any:
        notes.append(f"{name} in")
        try:
            return await call_next(ctx)
        finally:
            notes.append(f"{name} out")

    return note


async def test_compose_puts_the_first_outermost(make_context: MakeContext) -> None:
    """The first in the list sees the attempt first, and its end last."""
    notes: list[str] = []

    async def innermost(_: Context) -> str:
        notes.append("job")
        return "result"

    handler = compose([_noting("outer", notes), _noting("inner", notes)], innermost)

    assert await handler(make_context()) == "result"
    assert notes == ["outer in", "inner in", "job", "inner out", "outer out"]


async def test_compose_of_nothing_is_the_job_itself(make_context: MakeContext) -> None:
    """Without middleware the job runs as it is."""

    async def innermost(ctx: Context) -> str:
        return ctx.job_id

    assert compose([], innermost) is innermost
    assert await compose([], innermost)(make_context()) == "j1"


async def test_compose_lets_errors_pass_outwards(make_context: MakeContext) -> None:
    """What the job raises goes through every layer, the innermost first."""
    notes: list[str] = []

    async def innermost(_: Context) -> None:
        raise ValueError("broken")

    handler = compose([_noting("outer", notes), _noting("inner", notes)], innermost)

    with pytest.raises(ValueError, match="broken"):
        await handler(make_context())
    assert notes == ["outer in", "inner in", "inner out", "outer out"]


async def test_compose_lets_a_layer_answer_in_the_jobs_place(make_context: MakeContext) -> None:
    """A middleware that does not call the next one decides the outcome alone."""

    async def cached(_: Context, __: Handler) -> str:
        return "from the cache"

    async def innermost(_: Context) -> str:
        raise NotImplementedError

    assert await compose([cached], innermost)(make_context()) == "from the cache"


async def test_validation_gives_the_job_the_types_of_its_signature(
    make_context: MakeContext,
) -> None:
    """After validation the context has converted arguments and defaults."""
    seen: list[tuple[Any, Any]] = []

    async def innermost(ctx: Context) -> str:
        seen.append((ctx.args, ctx.kwargs))
        return "fine"

    assert await Validation(3600)(make_context(args=("UC1",)), innermost) == b'"fine"'
    assert await Validation(0)(make_context(args=("UC1",)), innermost) == "fine"

    assert seen[1:] == [(("UC1",), {"api_token": "", "email": ""})]


async def test_validation_refuses_what_does_not_fit(make_context: MakeContext) -> None:
    """A foreign body that lacks an argument never reaches the coroutine."""

    async def innermost(_: Context) -> None:
        raise NotImplementedError

    with pytest.raises(ArgumentsError, match="channel_id: Missing required argument"):
        await compose([Validation(3600)], innermost)(make_context())
