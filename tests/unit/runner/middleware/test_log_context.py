"""Every log line of a job names the job."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from runner.middleware.log_context import log_context
from runner.retry import Retry
from runner.telemetry.job_log import LOGGER_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.context import Context
    from tests.unit.runner.middleware.conftest import MakeContext

IDENTITY = {"job_id": "j1", "job_name": "analyze_channel", "queue": "analytics", "attempt": 1}


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    """Return the list that log lines go to, with contextvars merged in."""
    capture = structlog.testing.LogCapture()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, capture])
    yield capture.entries
    structlog.reset_defaults()


@pytest.fixture
def job_lines(lines: list[Any]) -> Iterator[list[Any]]:
    """Switch the lines of each job on, and return them."""
    logging.getLogger(LOGGER_NAME).setLevel(logging.INFO)
    yield lines
    logging.getLogger(LOGGER_NAME).setLevel(logging.NOTSET)


async def test_log_context_binds_the_job_to_its_own_lines(
    job_lines: list[Any], make_context: MakeContext
) -> None:
    """A line that the job logs has its id, name, queue and attempt, like the runner's lines."""

    async def handler(_: Context) -> str:
        structlog.get_logger().info("mine")
        return "result"

    assert await log_context(make_context(), handler) == "result"

    assert [line["event"] for line in job_lines] == ["mine", "job done"]
    assert all(line.items() >= IDENTITY.items() for line in job_lines)
    assert job_lines[1]["duration_ms"] >= 0


async def test_log_context_tells_of_starts_at_debug(
    job_lines: list[Any], make_context: MakeContext
) -> None:
    """Each line costs half as much as a short job, so a job has one unless more is asked for."""

    async def handler(_: Context) -> None:
        pass

    logging.getLogger(LOGGER_NAME).setLevel(logging.DEBUG)
    await log_context(make_context(), handler)

    assert [line["event"] for line in job_lines] == ["job started", "job done"]


async def test_log_context_leaves_nothing_bound(
    lines: list[Any], make_context: MakeContext
) -> None:
    """What was bound before is bound again after, even under the same name."""

    async def handler(_: Context) -> None:
        structlog.get_logger().info("inside")

    with structlog.contextvars.bound_contextvars(queue="outer"):
        await log_context(make_context(), handler)
        assert structlog.contextvars.get_contextvars() == {"queue": "outer"}
    assert lines[0]["queue"] == "analytics"


async def test_log_context_keeps_concurrent_jobs_apart(
    job_lines: list[Any], make_context: MakeContext
) -> None:
    """Two jobs that take turns log their own ids."""
    both_in = asyncio.Barrier(2)

    async def handler(ctx: Context) -> None:
        await both_in.wait()
        structlog.get_logger().info("mine", expected=ctx.job_id)

    async with asyncio.TaskGroup() as group:
        for job_id in ("j1", "j2"):
            group.create_task(_run(make_context(job_id=job_id), handler))

    mine = [line for line in job_lines if line["event"] == "mine"]
    assert sorted(line["job_id"] for line in mine) == ["j1", "j2"]
    assert all(line["job_id"] == line["expected"] for line in mine)


async def _run(ctx: Context, handler: Any) -> None:
    await log_context(ctx, handler)


@pytest.mark.parametrize(
    ("error", "event", "level"),
    [
        (ValueError("no such channel"), "job failed", "warning"),
        (Retry(5), "job asks to run again", "info"),
        (asyncio.CancelledError(), "job cancelled", "info"),
    ],
)
async def test_log_context_logs_how_an_attempt_ended(
    error: BaseException,
    event: str,
    level: str,
    job_lines: list[Any],
    make_context: MakeContext,
) -> None:
    """A failure is a warning with type and message; a signal is not."""

    async def handler(_: Context) -> None:
        raise error

    with pytest.raises(type(error)):
        await log_context(make_context(), handler)

    assert (job_lines[-1]["event"], job_lines[-1]["log_level"]) == (event, level)
    assert job_lines[-1].items() >= IDENTITY.items()
    if isinstance(error, ValueError):
        assert (job_lines[-1]["error"], job_lines[-1]["message"]) == (
            "ValueError",
            "no such channel",
        )


async def test_log_context_survives_an_error_whose_text_fails(
    job_lines: list[Any], make_context: MakeContext
) -> None:
    """An exception whose `__str__` raises is still the one that is raised."""

    class WordlessError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    async def handler(_: Context) -> None:
        raise WordlessError

    with pytest.raises(WordlessError):
        await log_context(make_context(), handler)
    assert "could not be formatted" in job_lines[-1]["message"]


async def test_log_context_is_silent_when_its_level_is_off(
    lines: list[Any], make_context: MakeContext
) -> None:
    """At WARNING neither start nor end is logged, or even passed to structlog."""
    logging.getLogger(LOGGER_NAME).setLevel(logging.WARNING)

    async def handler(_: Context) -> None:
        return None

    try:
        await log_context(make_context(), handler)
    finally:
        logging.getLogger(LOGGER_NAME).setLevel(logging.NOTSET)
    assert lines == []
