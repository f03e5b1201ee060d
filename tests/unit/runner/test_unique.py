"""Unique jobs without Redis: what may be asked, and what the testing kit makes of it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from runner import (
    Batch,
    Bury,
    Context,
    DuplicateJobError,
    Flow,
    JobState,
    Queue,
    Retry,
    Secret,
    Unique,
    job,
)
from runner.errors import ConfigurationError
from runner.testing import collect, drain, inline


@job(queue="default", unique=Unique(by=("one",)))
async def do(ctx: Context, one: int, how: str = "", more: int = 0) -> int:
    """Do what *how* says, and return *more*."""
    match how:
        case "bury":
            raise Bury("no")
        case "again" if ctx.attempt == 1:
            raise Retry(60)
        case "after":
            turns = do.options(unique=Unique(by=("one",), on_conflict="after"))
            first = await turns.enqueue(one=one, more=more + 1)
            assert await first.state() is JobState.WAITING
            assert (await turns.enqueue(one=one, more=more + 2)).id == first.id
            assert not (await do.enqueue(one=one)).created
    return more


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"by": "one"}, "by is 'one': give the names of arguments in a tuple"),
        ({"by": (1,)}, "a name in by is 1"),
        ({"on_conflict": "drop"}, "on_conflict is 'drop': give 'skip', 'replace'"),
        ({"until": "end"}, "until is 'end': give 'started' or 'done'"),
        ({"for_s": -1}, "for_s is -1: give seconds"),
        ({"for_s": math.nan}, "for_s is nan"),
        ({"for_s": True}, "for_s is True: give a number of seconds"),
        (
            {"max_wait_s": 0, "on_conflict": "reschedule"},
            "max_wait_s is 0: give seconds, more than",
        ),
        ({"max_wait_s": 5}, "max_wait_s is of on_conflict='reschedule'"),
        ({"while_dead": 1}, "while_dead is 1: give True or False"),
    ],
)
def test_wrong_rule_is_refused_where_it_is_written(given: dict[str, Any], said: str) -> None:
    """With what to write in its place."""
    with pytest.raises(ConfigurationError, match=r"^Unique: ") as caught:
        Unique(**given)
    assert said in str(caught.value)


def test_rule_that_does_not_fit_its_job_is_refused() -> None:
    """A name that is no parameter; what is sealed; a callback or a node."""

    async def send(_: Context, to: str, token: Secret[str]) -> None: ...

    for unique, said in [
        (Unique(by=("too",)), "there is no parameter 'too' for by: choose from to, token"),
        (Unique(), "a sealed argument differs each time"),
        (Unique(by=("token",)), "a sealed argument differs each time"),
        (Unique(by=("to",), on_conflict="replace"), "opens in its own job alone"),
    ]:
        with pytest.raises(ConfigurationError, match=said):
            job(queue="default", unique=unique)(send)
    job(queue="default", unique=Unique(by=("to",)))(send)
    with pytest.raises(ConfigurationError, match="unique is 'one': give a Unique"):
        do.options(unique="one")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="there is no parameter 'to'"):
        do.options(unique=Unique(by=("to",)))
    with pytest.raises(
        ConfigurationError, match=r"a callback cannot be: .* options\(unique=False\)"
    ):
        Batch("x", success=do.call(one=1))
    flow = Flow("x")
    flow.add(do.options(unique=False).call(one=1))


def test_key_is_that_of_the_values() -> None:
    """The order of names, of a set, and what is left out make no difference; the queue does."""

    @job(queue="default", unique=Unique(by=("tags", "more")))
    async def tag(
        _: Context, tags: set[str], more: dict[str, int] | None = None, other: int = 0
    ) -> None: ...

    def key(job: Any, *args: Any, **kwargs: Any) -> str:
        request = job.request(args, kwargs)
        return str(request.unique_key(request.body()))

    bound = tag.options()
    many = {str(one) for one in range(50)}
    same = {
        key(bound, many, {"a": 1, "b": 2}),
        key(bound, {str(one) for one in range(49, -1, -1)}, {"b": 2, "a": 1}, other=5),
        key(bound, tags=many, more={"a": 1, "b": 2}),
    }
    assert len(same) == 1
    assert key(bound, many) == key(bound, many, None) not in same
    assert key(tag.options(queue="other"), many) != key(bound, many)


def test_jobs_of_one_key_are_in_one_partition() -> None:
    """The key chooses it; an argument that does has to be part of the key."""
    mail = Queue("mail", partitions=8)

    @job(queue=mail, unique=Unique(by=("to",)))
    async def send(_: Context, to: str, text: str = "") -> None: ...

    calls = [send.options().request((to, text), {}) for to in "abcdefgh" for text in "xy"]
    assert len({one.queue for one in calls}) > 2
    pairs = list(zip(calls[::2], calls[1::2], strict=True))
    assert all(one.queue == other.queue for one, other in pairs)
    assert len({one.unique_key(one.body()) for one in calls}) == len(pairs)
    by_text = Queue("mail", partitions=8, by="text")
    with pytest.raises(ConfigurationError, match="'text', which is no part of the key"):
        send.options(queue=by_text)
    both = send.options(queue=by_text, unique=Unique(by=("to", "text"))).request(("a", "x"), {})
    assert both.queue == by_text.of_call("", {"text": "x"})


async def test_drained_jobs_are_unique() -> None:
    """Until they have ended, through retries; whatever ends them; and a throttle by the clock."""
    async with drain() as jobs:
        first = await do.enqueue(one=1, how="again")
        assert (await do.enqueue(one=1)).id == first.id
        await jobs.run(for_s=1)
        assert await first.state() is JobState.RETRYING
        assert not (await do.enqueue(one=1)).created
        changed = do.options(unique=Unique(by=("one",), on_conflict="replace"))
        assert not (await changed.enqueue(one=1, more=5)).created
        assert await first.result() == 5
        dies = await do.enqueue(one=1, how="bury")
        await jobs.run()
        assert await dies.state() is JobState.DEAD
        aborted = await do.options(delay_s=5).enqueue(one=1)
        assert aborted.created
        await aborted.abort()
        throttled = do.options(unique=Unique(by=("one",), for_s=30))
        await throttled.enqueue(one=1)
        await jobs.run()
        assert not (await throttled.enqueue(one=1)).created
        with pytest.raises(DuplicateJobError):
            await do.options(unique=Unique(by=("one",), on_conflict="raise")).enqueue(one=1)
        later = await do.options(unique=Unique(by=("one",), for_s=30, on_conflict="after")).enqueue(
            one=1
        )
        assert await later.state() is JobState.SCHEDULED
        await jobs.run(for_s=30)
        await jobs.run(for_s=30)
        assert (await throttled.enqueue(one=1)).created


async def test_drained_job_follows_the_one_that_runs() -> None:
    """With the arguments of the last call; debounced, once the callers are silent."""
    async with drain() as jobs:
        await do.enqueue(one=1, how="after")
        await jobs.run()
        assert [one.kwargs.get("more", 0) for one in jobs.done] == [0, 2]
        quiet = Unique(by=("one",), on_conflict="reschedule", max_wait_s=10)
        for more in range(5):
            await do.options(unique=quiet, delay_s=4).enqueue(one=2, more=more)
            await jobs.run(for_s=3)
        assert [one.kwargs["more"] for one in jobs.done if one.kwargs["one"] == 2] == [3]
        await jobs.run()
        assert [one.kwargs["more"] for one in jobs.done if one.kwargs["one"] == 2] == [3, 4]


async def test_collected_and_inline_jobs_are_unique() -> None:
    """What is recorded has the arguments of the last call; what runs at once has its key back."""
    with collect() as jobs:
        await do.enqueue(one=1)
        await do.enqueue(one=1, more=1)
        changed = do.options(unique=Unique(by=("one",), on_conflict="replace"))
        async with Batch("b") as batch:
            await changed.enqueue(one=1, more=2)
        assert (await batch.progress()).queues["default"].total == 1
    assert [one.kwargs for one in jobs.of(do)] == [{"one": 1, "more": 2}]
    async with inline() as ran:
        assert (await do.enqueue(one=1, how="after")).created
        assert (await do.enqueue(one=1)).created
    assert [one.kwargs.get("more", 0) for one in ran.of(do)] == [0, 2, 0]
