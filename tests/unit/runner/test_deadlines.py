"""Jobs that are of no use later, without Redis: what may be asked, and the testing kit."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

from runner import Batch, Context, JobExpiredError, Retry, job
from runner.codec import decode_job
from runner.errors import CodecError, ConfigurationError
from runner.testing import collect, drain


@job(queue="default", start_within_s=60)
async def remind(ctx: Context, how: str = "") -> float | None:
    """Return how long the attempt may take; ask for another one, if *how* says so."""
    if how == "again":
        raise Retry(100)
    return ctx.time_left_s


@pytest.mark.parametrize("name", ["start_within_s", "deadline_s"])
@pytest.mark.parametrize("value", [0, -1, math.inf, math.nan, "5", True])
def test_time_that_is_none_is_refused_where_it_is_written(name: str, value: Any) -> None:
    """By the decorator, and by options."""

    async def send(_: Context) -> None: ...

    with pytest.raises(ConfigurationError, match=f"{name} is"):
        job(queue="default", **{name: value})(send)
    with pytest.raises(ConfigurationError, match=f"remind: {name} is"):
        remind.options(**{name: value})


def test_deadline_before_the_job_is_due_is_refused() -> None:
    """It could never start."""
    with pytest.raises(ConfigurationError, match="in 10 s, passes before the job is due, in 20 s"):
        remind.options(delay_s=20, deadline_s=10)


@pytest.mark.parametrize("field", ['"x":-1', '"sw":1.5', '"dl":"1"', '"x":true'])
def test_body_with_a_time_that_is_none_is_no_job(field: str) -> None:
    """Whoever wrote it."""
    with pytest.raises(CodecError, match="the time until which it may start is none"):
        decode_job(f'{{"f":"f","a":[],"k":{{}},"et":1,{field}}}'.encode())


async def test_drained_jobs_expire_by_the_clock() -> None:
    """From when they are due, or were enqueued; a batch counts them, and is no success."""
    async with drain() as jobs:
        batch = Batch("b", complete=remind.call("complete"), success=remind.call("success"))
        async with batch:
            late = await remind.enqueue()
            later = await remind.options(delay_s=100).enqueue()
            over = await remind.options(deadline_s=50).enqueue("again")
            in_time = await remind.options(deadline_s=100).enqueue()
        assert await in_time.result() == pytest.approx(100, abs=1)
        await jobs.run(for_s=0)
        jobs.clock.now += timedelta(seconds=61)
        last = await remind.enqueue()
        await jobs.run()
        assert await last.result() is None
        assert await late.result() is None
        assert await later.result() is None
        with pytest.raises(JobExpiredError, match="its deadline had passed"):
            await over.result()
        progress = (await batch.progress()).queues["default"]
    assert (progress.expired, progress.done) == (1, 3)
    assert [one.args for one in jobs.done][-1] == ("complete",)
    async with drain() as jobs:
        late = await remind.enqueue()
        jobs.clock.now += timedelta(seconds=61)
        with pytest.raises(JobExpiredError, match="within 1 min of when it was due"):
            await late.result()
    with collect() as collected:
        await remind.options(deadline_s=5).enqueue()
    assert len(collected.jobs) == 1
