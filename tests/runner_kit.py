"""Workers for tests: quick ones, in this process, that can be stopped, killed and cut off."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json
from redis.exceptions import ConnectionError as RedisConnectionError

from runner import Worker, WorkerSettings, connect, linear
from runner.broker import keys
from runner.on_arq.cron import IntervalCron
from tests.cable import cable_to

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from runner import Job, QueueClient
    from tests.cable import Cable

PATIENCE_S = 20.0
"""How long a test waits for what is sure to come; a loaded machine may take its time."""


class QuickSettings(WorkerSettings):
    """A queue's settings with every wait cut short, except that nothing is polled for."""

    lease_s = 0.6
    heartbeat_s = 0.15
    abort_check_s = 0.05
    backoff = linear(0.02)
    unknown_delay_s = 30.0
    idle_poll_s = 30.0
    grace_s = 5.0
    cancel_wait_s = 0.3
    blocked_warn_s = 5.0


def settings(url: str, *jobs: Job[Any, Any], **values: Any) -> type[WorkerSettings]:
    """A settings class for *jobs*, on the queue of the first; *values* go before the kit's."""
    queue = jobs[0].queue if jobs else "default"
    plain = {"queue": queue, "jobs": jobs, "redis": url}
    return type("Settings", (QuickSettings,), plain | values)


def worker(url: str, *jobs: Job[Any, Any], **values: Any) -> Worker:
    """
    A worker of `settings`, not yet started. Values that settings do not know are arq's.

    Nothing is polled unless `poll_interval_s` is given: a poll is a job beside those of the test.
    """
    polls = "poll_interval_s" in values
    known = {name for name in values if hasattr(WorkerSettings, name)} | {"functions", "cron_jobs"}
    ours = {name: values.pop(name) for name in known & values.keys()}
    one = settings(url, *jobs, **ours).worker(handle_signals=False, **values)
    if not polls:
        one.cron_jobs = [job for job in one.cron_jobs if not isinstance(job, IntervalCron)]
    return one


async def start(one: Worker) -> Worker:
    """Start *one*, and return when it has claimed what was due. It is the caller's to stop."""
    running = asyncio.create_task(one.async_run())
    ready = asyncio.create_task(one.ready.wait())
    await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_S)
    ready.cancel()
    if running.done():
        await running
    await at_rest(one)
    return one


async def at_rest(one: Worker) -> None:
    """Return when *one* has taken what it can, and now waits for work or for a free slot."""

    async def rests() -> bool:
        is_over = one.main_task is None or one.main_task.done()
        return one.is_at_rest or is_over

    await eventually(rests, every_s=0.001)


async def stop(one: Worker, *, at_once: bool = False) -> None:
    """Stop *one* in order; what it raised is raised here."""
    one.stop(at_once=at_once)
    running = one.main_task
    if running is not None:
        await asyncio.wait({running}, timeout=PATIENCE_S)
        assert running.done(), "the worker does not stop"
        if not running.cancelled() and (error := running.exception()) is not None:
            raise error
    await one.close()


@asynccontextmanager
async def mortal(url: str, *jobs: Job[Any, Any], **values: Any) -> AsyncIterator[MortalWorker]:
    """A worker for the block that can be killed."""
    async with cable_to(url).laid() as cable:
        one = await start(worker(cable.url, *jobs, **values))
        try:
            yield MortalWorker(one, cable)
        finally:
            await _end(one)


class MortalWorker:
    """A worker at the end of a cable."""

    def __init__(self, one: Worker, cable: Cable) -> None:
        self.worker = one
        self.cable = cable

    async def kill(self) -> None:
        """End it as SIGKILL would: from now on Redis does not hear a word of it."""
        self.cable.cut()
        await _end(self.worker)


async def _end(one: Worker) -> None:
    for task in (*one.tasks.values(), one.main_task):
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await asyncio.wait_for(asyncio.shield(task), PATIENCE_S)
    await one.close()


@asynccontextmanager
async def working(url: str, *jobs: Job[Any, Any], **values: Any) -> AsyncIterator[Worker]:
    """A worker for the block; stopped at once at its end, unless it was killed inside."""
    one = await start(worker(url, *jobs, **values))
    try:
        yield one
    finally:
        if one.main_task is not None and not one.main_task.done():
            await stop(one, at_once=True)
        else:
            await one.close()


async def eventually(
    ask: Callable[[], Awaitable[Any]], *, within_s: float = PATIENCE_S, every_s: float = 0.005
) -> Any:
    """The first true answer of *ask*, for what can only be seen in Redis."""
    async with asyncio.timeout(within_s):
        while not (answer := await ask()):  # noqa: ASYNC110 -- Redis has no event to wait for
            await asyncio.sleep(every_s)
        return answer


async def soon(waiting: Awaitable[Any]) -> Any:
    """What *waiting* gives, or the test fails."""
    async with asyncio.timeout(PATIENCE_S):
        return await waiting


def client_of(url: str) -> QueueClient:
    """A client to look into Redis with."""
    return connect(url)


async def history(redis: Any, job_id: str) -> list[dict[str, Any]]:
    """The failed attempts of a job, the oldest first."""
    return [from_json(entry) for entry in await redis.lrange(keys.HISTORY_PREFIX + job_id, 0, -1)]


async def result_of(redis: Any, job_id: str) -> dict[str, Any] | None:
    """The stored result of a job, as it stands in Redis."""
    data = await redis.get(keys.RESULT_PREFIX + job_id)
    result: dict[str, Any] | None = None if data is None else from_json(data)
    return result


async def crashes(redis: Any, queue: str, job_id: str) -> int:
    """How often the job was lost with its worker."""
    return int(await redis.hget(keys.queue_key(queue) + keys.CRASHES_SUFFIX, job_id) or 0)


async def dead_ids(redis: Any, queue: str) -> list[str]:
    """Ids of the dead jobs of *queue*, the oldest first."""
    members = await redis.zrange(keys.queue_key(queue) + keys.DEAD_SUFFIX, 0, -1)
    return [member.decode() for member in members]


class LosesAnswers:
    """In the place of a stage's script: Redis does what it was asked, and nobody hears of it."""

    def __init__(self, script: Any, *, times: int = 1) -> None:
        self._script = script
        self.left = times
        self.lost: list[Any] = []

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Ask, and lose the answer."""
        answer = await self._script(*args, **kwargs)
        if self.left:
            self.left -= 1
            self.lost.append(answer)
            raise RedisConnectionError("Connection reset by peer")
        return answer

    @property
    def sent(self) -> int:
        """As what is behind it says."""
        sent: int = self._script.sent
        return sent

    async def close(self) -> None:
        """Close what is behind it."""
        await self._script.close()
