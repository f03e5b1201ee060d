"""Lanes without Redis: what may be asked, their names, and what the testing kit makes of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runner import (
    Bury,
    Context,
    Flow,
    JobState,
    Lane,
    Limited,
    Queue,
    Rate,
    Retry,
    Secret,
    Unique,
    job,
)
from runner.errors import ArgumentsError, ConfigurationError, JobFailedError
from runner.testing import collect, drain, inline

ONE = Lane(by="account", limit=1)


stages: list[int] = []


@job(queue="default", lane=ONE)
async def sync(ctx: Context, account: int, how: str = "", more: int = 0) -> int:
    """Do what *how* says, and return *more*."""
    match how:
        case "bury":
            raise Bury("no")
        case "later" if ctx.attempt == 1:
            raise Retry(60)
        case "limited" if more == 0:
            stages.append(more)
            if len(stages) == 1:
                raise Limited(60)
        case "spends":
            ctx.spent(more)
            return 0
        case "another":
            await sync.enqueue(account=account, more=more + 1)
        case "result":
            return await (await sync.enqueue(account=account)).result()
    return more


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"by": 1}, "by is 1: give the name of an argument, or several in a tuple"),
        ({"by": ("",)}, "a name in by is empty"),
        ({"limit": 0}, "limit is 0: give 1 or more"),
        ({"limit": None}, "give a limit or a rate"),
        ({"rate": Rate(1)}, "give a limit or a rate"),
        ({"rate": 5, "limit": None}, "rate is 5"),
        ({"until": "end"}, "until is 'end': give 'done' or 'started'"),
        ({"limit": None, "rate": Rate(1), "until": "started"}, "until is of a limit"),
        ({"limit": True}, "limit is True: give a whole number"),
        ({"limit": 10_001}, "at most 10000"),
        ({"name": "a:b"}, "name is 'a:b': use up to 80 letters"),
        ({"at_limit": "drop"}, "at_limit is 'drop': give 'wait', 'skip', 'newest' or"),
        ({"limit": None, "rate": Rate(1), "at_limit": "skip"}, "at_limit is of a limit"),
        ({"until": "started", "at_limit": "cancel_running"}, "give another at_limit"),
    ],
)
def test_wrong_lane_is_refused_where_it_is_written(given: dict[str, Any], said: str) -> None:
    """With what to write in its place."""
    with pytest.raises(ConfigurationError, match=r"^Lane: ") as caught:
        Lane(**(dict[str, Any](by="account", limit=1) | given))
    assert said in str(caught.value)


async def test_lane_that_does_not_fit_its_job_is_refused() -> None:
    """A name that is no parameter; what is sealed; a queue in partitions; another node's result."""

    async def send(_: Context, to: str, token: Secret[str]) -> None: ...

    for lane, said in [
        (Lane("too", 1), "lane: there is no parameter 'too' for by: choose from to, token"),
        (Lane("token", 1), "lane: a sealed argument differs each time"),
    ]:
        with pytest.raises(ConfigurationError, match=said):
            job(queue="default", lane=lane)(send)
    with pytest.raises(ConfigurationError, match="lane is 'to'"):
        job(queue="default", lane="to")(send)  # type: ignore[arg-type]
    by_how = Queue("mail", partitions=2, by="how")
    with pytest.raises(ConfigurationError, match="partitioned by 'how', which is no part of the"):
        sync.options(queue=by_how)
    whole = Queue("mail", partitions=2)
    with pytest.raises(ConfigurationError, match="add the lane's arguments to those of unique"):
        sync.options(queue=whole, unique=Unique(by=("how",)))
    assert sync.options(queue=whole, unique=Unique(by=("how", "account"))).queue == "mail"
    flow = Flow()
    flow.add(sync.call(account=flow.add(sync.call(account=1)).out))
    with collect(), pytest.raises(ConfigurationError, match="depends on what another node returns"):
        await flow.start()


def test_lanes_are_named_by_what_they_are_by() -> None:
    """A short plain value as it is, what is long or odd as a digest, and nothing that is secret."""
    named: list[tuple[Lane, dict[str, object], str]] = [
        (Lane("id", 1), {"id": 7}, "sync:7"),
        (Lane("id", 1), {"id": "UC-1"}, "sync:UC-1"),
        (Lane("id", 1, "account"), {"id": True}, "account:true"),
        (Lane((), 1), {}, "sync"),
    ]
    for lane, written, name in named:
        assert lane.key("sync", written) == name
    digests = [
        Lane("id", 1).key("sync", {"id": value}) for value in ("a|b", "a\nb", "x" * 81, "", ["a"])
    ]
    digests += [Lane("id", 1).key("sync", {"id": "7"}, hide=True)]
    digests += [Lane(("id", "to"), 1).key("sync", {"id": 1, "to": 2})]
    assert len({*digests}) == len(digests)
    assert {len(one) for one in digests} == {len("sync:") + 32}

    @job(queue="default", lane=Lane("api_key", 1))
    async def fetch(_: Context, api_key: str, more: int = 1) -> None: ...

    request = fetch.options().request((), {"api_key": "k"})
    assert request.lane_key(request.body()).startswith("fetch:")
    assert not request.lane_key(request.body()).endswith(":k")


async def test_drained_jobs_of_a_lane_wait_for_places() -> None:
    """By the drained clock: through an end, a death, an abort and a retry."""
    async with drain() as drained:
        first = await sync.enqueue(account=1, how="later", more=1)
        second = await sync.enqueue(account=1, how="bury")
        third = await sync.enqueue(account=1, more=3)
        other = await sync.enqueue(account=2)
        assert [await one.state() for one in (first, second, third, other)] == [
            JobState.READY,
            JobState.WAITING,
            JobState.WAITING,
            JobState.READY,
        ]
        assert await third.result() == 3
        assert await second.state() is JobState.DEAD
        assert await first.state() is JobState.RETRYING
        now = await sync.enqueue(account=1, more=4)
        assert [await one.state() for one in (first, now)] == [JobState.WAITING, JobState.READY]
        await now.abort()
        assert await first.state() is JobState.RETRYING
        assert await first.result() == 1
        later = await sync.options(delay_s=60).enqueue(account=1)
        await drained.run()
        assert [one.job_id for one in drained.done] == [other.id, third.id, first.id, later.id]
        with pytest.raises(JobFailedError, match="sync waits for a job that waits for its result"):
            await (await sync.enqueue(account=1, how="result")).result()


async def test_drained_jobs_of_a_full_lane_are_skipped_or_drop_others() -> None:
    """By the same rules, with the outcome that says so; the key of a skipped one is free."""
    skip, newest, cancel = (
        sync.options(lane=Lane("account", 1, at_limit=how), unique=Unique())
        for how in ("skip", "newest", "cancel_running")
    )
    async with drain() as drained:
        first = await sync.enqueue(account=1)
        for _ in range(2):
            skipped = await skip.enqueue(account=1, more=1)
            assert (skipped.created, skipped.id) == (False, first.id)
        old, last = [await newest.enqueue(account=1, more=more) for more in (2, 3)]
        with pytest.raises(JobFailedError, match=f"dropped: {last.id} took its place"):
            await old.result()
        assert [await one.state() for one in (first, last)] == [JobState.READY, JobState.WAITING]
        other = await cancel.enqueue(account=1, more=4)
        with pytest.raises(JobFailedError, match=f"dropped: {other.id} took its place"):
            await first.result()
        later = sync.options(lane=Lane("account", 1, at_limit="newest"), delay_s=60)
        await later.enqueue(account=1, more=5)
        await drained.run()
        assert [one.kwargs.get("more") for one in drained.done if one.job_id == other.id] == [4]
        assert await other.result() == 4


async def test_lanes_of_collected_and_inline_jobs() -> None:
    """Collected are all of them; inline, one that a job of its lane enqueues runs after that."""
    with collect() as collected:
        handles = await sync.enqueue_many([{"account": 1, "more": more} for more in range(3)])
        assert [one.kwargs["more"] for one in collected.jobs] == [0, 1, 2]
        assert await handles[2].state() is JobState.WAITING
        await handles[0].abort()
        assert await handles[1].state() is JobState.READY
        assert len(collected.jobs) == 3
    async with inline() as ran:
        await sync.enqueue(account=1, how="another")
        assert [one.kwargs.get("more", 0) for one in ran.jobs] == [0, 1]
    async with drain() as drained:
        turns = sync.options(unique=Unique(by=("account", "how"), on_conflict="after"))
        await turns.enqueue(account=1)
        await sync.enqueue(account=1, more=1)
        assert not (await turns.enqueue(account=1, more=2)).created
        await drained.run(for_s=timedelta(minutes=1).total_seconds())
        assert [one.kwargs["more"] for one in drained.done] == [2, 1]


async def test_drained_jobs_start_at_the_rate_of_their_lane() -> None:
    """By the drained clock, with a burst, by units; held as a whole by one that is limited."""
    stages.clear()
    rate = sync.options(lane=Lane("account", rate=Rate(6, per_s=60, burst=2, units="more")))
    async with drain(now=datetime(2030, 1, 1, tzinfo=UTC)) as drained:
        begin = drained.clock.now
        handles = [await rate.enqueue(account=1, more=more) for more in (1, 1, 1, 2, 1)]
        ends = []
        for handle in handles:
            await handle.result()
            ends.append((drained.clock.now - begin).total_seconds())
        assert ends == [0, 0, 10, 30, 40]
        limited = await sync.options(lane=Lane("account", 2)).enqueue(account=3, how="limited")
        others = await sync.options(lane=Lane("account", 2)).enqueue_many([{"account": 3}] * 3)
        begin = drained.clock.now
        await others[-1].result()
        assert (drained.clock.now - begin).total_seconds() == 60
        assert await limited.result() == 0
        turns = sync.options(lane=Lane("account", 1, until="started"))
        first = await turns.enqueue(account=4, how="another")
        await turns.enqueue(account=4, more=5)
        assert await first.result() == 0
        await drained.run()
        with pytest.raises(ArgumentsError, match="more is 0: give the units of its lane, above 0"):
            await rate.enqueue(account=1, more=0)


async def test_drained_jobs_start_by_what_those_before_have_spent() -> None:
    """By the drained clock: later after more than was counted, earlier after less."""
    bound = sync.options(lane=Lane((), rate=Rate(6, per_s=60)))
    async with drain(now=datetime(2030, 1, 1, tzinfo=UTC)) as drained:
        begin, ends = drained.clock.now, list[float]()
        spent = (3, 0, 1, 1)
        handles = [await bound.enqueue(account=1, how="spends", more=more) for more in spent]
        for handle in handles:
            await handle.result()
            ends.append((drained.clock.now - begin).total_seconds())
        assert ends == [0, 30, 30, 40]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"limit": 0}, "limit is 0"),
        ({"limit": 1, "per_s": 0}, "per_s is 0"),
        ({"limit": 1, "burst": 0}, "burst is 0"),
        ({"limit": 1, "units": ""}, "units is empty"),
    ],
)
def test_wrong_rate_is_refused_where_it_is_written(given: dict[str, Any], said: str) -> None:
    """With what to write in its place."""
    with pytest.raises(ConfigurationError, match=r"^Rate: ") as caught:
        Rate(**given)
    assert said in str(caught.value)
