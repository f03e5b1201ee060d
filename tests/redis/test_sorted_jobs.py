"""The jobs of a state, oldest or newest first, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runner import JobState
from runner.broker import keys
from runner.operations.catalog import Catalog
from runner.operations.jobs import list_jobs
from runner.operations.listing import Listing, listing
from runner.operations.paging import Sort
from runner.states import LISTED

if TYPE_CHECKING:
    from runner import QueueClient

QUEUES = ("default", "other")
KEY = keys.ARQ.queue_key("default")
PLACES = {
    JobState.READY: "",
    JobState.SCHEDULED: "",
    JobState.RETRYING: keys.RETRYING_SUFFIX,
    JobState.PARKED: keys.PARKED_SUFFIX,
    JobState.WAITING: keys.WAITING_SUFFIX,
    JobState.DEAD: keys.DEAD_SUFFIX,
    JobState.DONE: keys.DONE_SUFFIX,
}
"""Where the jobs of each state stand, but running ones, which are read all at once."""


async def _place(redis: QueueClient, state: JobState, queue: str, ids: list[str]) -> None:
    """Put *ids* there, each a second later than the one before; one of another state is around."""
    seconds, _ = await redis.time()
    is_later = state in {JobState.SCHEDULED, JobState.RETRYING}
    first_ms = (seconds + (600 if is_later else -600)) * 1000
    key = keys.ARQ.queue_key(queue)
    for job_id in ids:
        at_ms = first_ms + int(job_id[1:]) * 1000
        if state is not JobState.DONE:
            body = b'{"t":null,"f":"work","a":[],"k":{},"et":1}'
            await redis.set(keys.ARQ.job_prefix + job_id, body)
        await redis.zadd(key + PLACES[state], {job_id: at_ms})
        if state is JobState.RETRYING:
            await redis.zadd(key, {job_id: at_ms})
    around = 60_000 if state is JobState.READY else -60_000
    await redis.zadd(key, {f"around {queue}": seconds * 1000 + around})


@pytest.mark.parametrize("sort", [None, *Sort], ids=str)
@pytest.mark.parametrize("state", PLACES, ids=str)
async def test_jobs_come_in_the_order_that_was_asked_for(
    redis: QueueClient, state: JobState, sort: Sort | None
) -> None:
    """Each once, whatever the size of a page; those of other states stay out."""
    await _place(redis, state, "default", ["j1", "j2", "j3", "j4", "j5"])
    usual = Sort.NEWEST if state in {JobState.DEAD, JobState.DONE} else Sort.OLDEST
    wanted = ["j1", "j2", "j3", "j4", "j5"]
    if (sort or usual) is Sort.NEWEST:
        wanted.reverse()
    found: list[str] = []
    after: str | None = None
    while True:
        page = await list_jobs(redis, "default", state, Catalog(), after=after, limit=2, sort=sort)
        assert page.oldest_first == ((sort or usual) is Sort.OLDEST)
        found += [row.job_id for row in page.rows]
        after = page.after
        if after is None:
            break
    assert found == wanted


@pytest.mark.parametrize("sort", [None, *Sort], ids=str)
async def test_jobs_of_several_queues_come_in_one_order(
    redis: QueueClient, sort: Sort | None
) -> None:
    """They are merged by their times."""
    await _place(redis, JobState.SCHEDULED, "default", ["j1", "j4", "j5"])
    await _place(redis, JobState.SCHEDULED, "other", ["j2", "j3", "j6"])
    found: list[str] = []
    after: str | None = None
    while True:
        part = await listing(
            redis, QUEUES, [JobState.SCHEDULED], Catalog(), after=after, limit=2, sort=sort
        )
        found += [row.job_id for row in part.rows]
        after = part.after
        if after is None:
            break
    assert found == sorted(found, reverse=sort is Sort.NEWEST)
    assert len(found) == 6


def test_each_listed_state_is_tried() -> None:
    """A state that is listed one day is sorted, too."""
    assert {*PLACES, JobState.RUNNING} == set(LISTED)


@pytest.mark.parametrize("sort", [None, Sort.NEWEST], ids=str)
@pytest.mark.parametrize("limit", [1, 3, 4])
async def test_one_goes_back_page_by_page_as_one_came(
    redis: QueueClient, sort: Sort | None, limit: int
) -> None:
    """Over states and queues; the first page is the end of it, whatever came in meanwhile."""
    for number, state in enumerate((JobState.READY, JobState.DEAD, JobState.DONE)):
        for queue, letter in zip(QUEUES, "ab", strict=True):
            ids = [f"{letter}{number * 10 + place}" for place in range(4)]
            await _place(redis, state, queue, ids)

    async def page(after: str | None = None, before: str | None = None) -> Listing:
        return await listing(
            redis, QUEUES, LISTED, Catalog(), after=after, before=before, limit=limit, sort=sort
        )

    pages = [await page()]
    assert pages[0].before is None
    while pages[-1].after:
        pages.append(await page(after=pages[-1].after))
    seen = [row.key for one in pages for row in one.rows]
    assert len(seen) == len(set(seen)) == 26

    place, back = pages[-1].before, [pages[-1]]
    while place is not None:
        found = await page(before=place)
        assert found.after == place or found.before is None
        back.append(found)
        place = found.before
    assert [row.key for one in reversed(back) for row in one.rows] == seen
