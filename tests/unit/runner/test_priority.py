"""Priorities without Redis: what may be asked, and what the testing kit makes of them."""

from __future__ import annotations

from typing import Any

import pytest

from runner import Context, Queue, job
from runner.errors import ConfigurationError
from runner.operations.head_start import due_of, head_start_s
from runner.partitions import head_start_ms
from runner.testing import drain

ran: list[str] = []


@job(queue="default", backoff=lambda _: 60.0)
async def note(ctx: Context, name: str, *, fails: bool = False) -> None:
    """Note its name."""
    ran.append(name)
    if fails and ctx.attempt == 1:
        raise ValueError("no")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (-1, "priority is -1: give 0 or more, and at most 100"),
        (101, "at most 100"),
        (1.5, "give a whole number"),
        (True, "give a whole number"),
        ("high", "give a whole number"),
        (float("nan"), "give a whole number"),
    ],
)
def test_wrong_priority_is_refused_where_it_is_written(given: Any, said: str) -> None:
    """By options and by the decorator."""
    with pytest.raises(ConfigurationError, match=said):
        note.options(priority=given)
    with pytest.raises(ConfigurationError, match=said):
        job(queue="default", priority=given)(lambda ctx: None)  # noqa: ARG005


@pytest.mark.parametrize("step_s", [0, -1, True, "5", float("inf"), 86_401])
def test_wrong_step_is_refused(step_s: Any) -> None:
    """A day at most: a job that is a year ahead is first, and says nothing more."""
    with pytest.raises(ConfigurationError, match="priority_step_s is"):
        Queue("mail", priority_step_s=step_s)


def test_options_go_before_the_jobs_own_priority() -> None:
    """0 for none."""

    @job(queue=Queue("mail", priority_step_s=5), priority=3)
    async def send(_: Context) -> None: ...

    assert send.options().request((), {}).ahead_ms == 15_000
    assert send.options(priority=0).request((), {}).ahead_ms == 0
    assert head_start_ms("mail", 1) == 600_000


async def test_drained_jobs_run_in_the_order_of_their_head_starts() -> None:
    """What has waited longer than a head start is first; nothing runs before it is due."""
    ran.clear()
    async with drain() as drained:
        await note.options(delay_s=1700).enqueue(name="old")
        await note.options(delay_s=2400).enqueue(name="plain")
        await note.options(priority=1, delay_s=2399).enqueue(name="urgent")
        await note.options(priority=9, delay_s=2500).enqueue(name="not yet")
        drained.clock.advance(2400)
        await drained.run()
    assert ran == ["old", "urgent", "plain", "not yet"]
    ran.clear()
    async with drain() as drained:
        await note.options(priority=1).enqueue(name="fails", fails=True)
        await note.options(priority=2).enqueue(name="first")
        await note.enqueue(name="last")
        await drained.run()
    assert ran == ["first", "fails", "last", "fails"]


@pytest.mark.parametrize("entry", [None, b"", b"x", b"5", b"|", b"1e9|5", b"-5|5", b"nan|5"])
def test_entry_that_is_none_says_nothing(entry: bytes | None) -> None:
    """The score is the due time then."""
    assert due_of(5.0, entry) == 5.0


def test_due_time_is_told_as_long_as_the_score_is_its_own() -> None:
    """Whoever moves the job changes its score."""
    assert due_of(400.0, b"600|1000.0000") == 1000.0
    assert due_of(401.0, b"600|1000.0000") == 401.0
    assert due_of(0.0, b"600000|1000.0000") == 1000.0
    assert head_start_s(b"600000|") == 600
