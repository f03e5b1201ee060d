"""The history that the scripts of a chaos run write down, and what it is checked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import redis as sync_redis

from runner import Context, connect, job
from runner.admin import Admin
from tests.chaos.history import History
from tests.chaos.recorded import Recorder, recording_scripts
from tests.replaced_scripts import replaced_scripts
from tests.runner_kit import eventually, working

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runner import QueueClient

_failed: set[str] = set()


@job(queue="default", max_retries=1)
async def fail_once(ctx: Context) -> None:
    """Fail the first time."""
    if ctx.job_id not in _failed:
        _failed.add(ctx.job_id)
        raise ValueError("the first time")


@pytest.fixture
async def history(redis_url: str, tmp_path: Path) -> Path:
    """Record three jobs, of which two run, and the operator deletes one."""
    path = tmp_path / "history"
    recorder = Recorder(path)
    with replaced_scripts(recording_scripts()):
        client = connect(redis_url)
        unwanted = await client.enqueuer.put(fail_once.options(delay_s=60).request((), {}))
        assert unwanted
        requests = [fail_once.options().request((), {}) for _ in range(2)]
        await client.enqueuer.put_many(requests)
        async with working(redis_url, fail_once):
            await eventually(lambda: _all_done(client, [one.job_id for one in requests]))
        [left] = await client.zrange("arq:queue:default", 0, -1)
        await Admin(client).delete("default", left.decode())
        await client.aclose()
    with sync_redis.Redis.from_url(redis_url) as server:
        recorder.drain_all(server)
        recorder.drain_all(server)
    recorder.close()
    return path


async def _all_done(client: QueueClient, job_ids: list[str]) -> bool:
    return not await client.exists(*[f"arq:job:{job_id}" for job_id in job_ids])


def test_history_of_a_run_contradicts_nothing(history: Path) -> None:
    """Each job was enqueued, claimed twice, retried and done, or deleted."""
    read = History(history)

    assert read.contradictions == []
    assert read.left == []
    kinds = [event.detail or event.kind for event in read.events]
    assert sorted(kinds) == ["claimed"] * 4 + ["done"] * 2 + ["retry"] * 2


def _without(script: str) -> Callable[[list[list[object]]], list[list[object]]]:
    return lambda calls: [call for call in calls if call[1] != script]


def _twice(script: str) -> Callable[[list[list[object]]], list[list[object]]]:
    return lambda calls: [
        call for one in calls for call in ([one, one] if one[1] == script else [one])
    ]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (_twice("settle"), "settled without holding it"),
        (_without("claim"), "settled without holding it"),
        (_without("enqueue"), "a job from nowhere"),
        (_without("settle"), "wrong attempts"),
        (lambda calls: calls[::-1], "settled, and unknown"),
    ],
    ids=["settled twice", "no claim", "no enqueue", "no outcome", "reversed"],
)
def test_history_that_jobs_do_not_allow_is_told_in_a_line(
    history: Path, change: Callable[[list[list[object]]], list[list[object]]], rule: str
) -> None:
    """The line has the job, the rule, the call that broke it, and the job's calls."""
    calls = change([json.loads(line) for line in history.read_text().splitlines()])
    history.write_text(
        "".join(json.dumps([n, *call[1:]]) + "\n" for n, call in enumerate(calls, 1))
    )

    lines = History(history).contradictions

    assert any(rule in line for line in lines), lines
    assert all("\n" not in line and "; its calls: " in line for line in lines)


def test_calls_that_redis_lost_are_no_history(history: Path) -> None:
    """They are told apart by the jobs that they enqueued."""
    before = History(history)
    with history.open("a") as file:
        file.write("0 promoted\n")

    read = History(history)

    assert (read.calls, read.events) == (0, [])
    enqueued = {event.job_id for event in before.events}
    assert enqueued < read.forgotten
    assert len(read.forgotten) == 3
