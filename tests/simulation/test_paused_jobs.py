"""Jobs of a paused name in a simulated world: a worker is killed at every step, and none starts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from runner import Context, JobHandle, JobState, WorkerSettings, job
from runner.admin import Admin
from runner.current import current_client
from runner.simulation import crash_everywhere
from tests.runner_kit import eventually

if TYPE_CHECKING:
    from runner.simulation import World

TRIED = 30
ran: list[str] = []


@job(queue="mail", max_retries=5)
async def paused(_: Context, number: int) -> int:
    """Note the start."""
    ran.append("paused")
    return number


@job(queue="mail", max_retries=5)
async def other(_: Context, number: int) -> int:
    """Note the start."""
    ran.append("other")
    return number


class Mail(WorkerSettings):
    """The worker of this module."""

    queue = "mail"
    jobs = (paused, other)
    concurrency = 2
    lease_s = 6.0
    heartbeat_s = 2.0
    blocked_limit_s = 3.0
    max_crashes = 20


async def _is(handle: JobHandle[int], state: JobState) -> bool:
    return await handle.state() is state


async def _scenario(_: World) -> None:
    ran.clear()
    admin = Admin(current_client())
    await admin.pause_job("mail", "paused", by="Ada")
    held = [await paused.enqueue(number) for number in range(3)]
    free = [await other.enqueue(number) for number in range(3)]
    assert [await one.result(timeout_s=600) for one in free] == [0, 1, 2]
    for handle in held:
        await eventually(partial(_is, handle, JobState.PARKED), within_s=600, every_s=0.05)
    assert "paused" not in ran
    await admin.resume_job("mail", "paused")
    assert [await one.result(timeout_s=600) for one in held] == [0, 1, 2]


def test_paused_job_never_starts_and_none_is_lost_wherever_a_worker_is_killed() -> None:
    """While it is claimed, while it is parked, and as it comes back."""
    assert crash_everywhere(_scenario, Mail, most=TRIED) > TRIED
