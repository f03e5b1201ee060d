"""
Batch trials: workers are killed while they run a batch; its callbacks must come after the last job.

    python -m tests.chaos.batches --rounds 20 --jobs 10000 --kills 30

Each round enqueues a batch and kills worker processes at random; each is started again. Exits 1 if
a callback is missing or comes before the last job, or if a job is not counted as it ended.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import random
import secrets
import sys
import time
from typing import TYPE_CHECKING, Any

from runner import Batch, Context, JobHandle, WorkerSettings, connect, job
from runner.current import current_client, use
from runner.states import JobState
from runner.telemetry.logs import configure_logging
from tests.redis_server import running_redis

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess

    from runner import QueueClient

QUEUE = "chaos"
_ROUND_WITHIN_S = 300.0
_FAN_OUT = 10


@job(queue=QUEUE, max_retries=5)
async def member(ctx: Context, number: int) -> None:
    """Fail once, or enqueue another member, or do nothing: by its number."""
    if number % 7 == 0 and ctx.attempt == 1:
        raise ValueError("not yet")
    if number % _FAN_OUT == 0:
        # Under an id of its own: a member that runs again adds none.
        await member.options(job_id=f"{ctx.job_id}-more").enqueue(number=1)


@job(queue=QUEUE)
async def called(ctx: Context, batch_id: str) -> None:
    """Note what the batch says of itself by now."""
    progress = await Batch(id=batch_id).progress()
    note = f"{ctx.job_id} {progress.waiting} {progress.is_open}"
    await current_client().rpush("called", note)  # type: ignore[misc]


class Settings(WorkerSettings):
    """As in production, with leases of a second."""

    queue = QUEUE
    jobs = (member, called)
    concurrency = 20
    lease_s = 1.0
    heartbeat_s = 0.25
    idle_poll_s = 0.5
    blocked_limit_s = 0.6
    blocked_warn_s = 0.1
    max_crashes = 1000
    backoff = staticmethod(lambda _: 0.05)


def work(url: str) -> None:
    """Run a worker."""
    configure_logging("json", "CRITICAL")
    settings: type[WorkerSettings] = type("Settings", (Settings,), {"redis": url})
    one = settings.worker()
    one.cron_jobs = []
    one.run()


class Workers:
    """Worker processes; whichever is killed is started again."""

    def __init__(self, url: str, count: int) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._url = url
        self._running = [self._start() for _ in range(count)]

    def _start(self) -> ForkServerProcess:
        process = self._context.Process(target=work, args=(self._url,), daemon=True)
        process.start()
        return process

    def kill(self, place: int) -> None:
        """Kill one, and start another in its place."""
        self._running[place].kill()
        self._running[place].join()
        self._running[place] = self._start()

    def stop(self) -> None:
        """End all of them."""
        for process in self._running:
            process.kill()
            process.join()


async def play(
    client: QueueClient, workers: Workers, dice: random.Random, options: argparse.Namespace
) -> list[str]:
    """Play one round, and return what is wrong."""
    batch_id = secrets.token_hex(16)
    calls = {how: called.call(batch_id=batch_id) for how in ("complete", "success")}
    batch = Batch("chaos", id=batch_id, **calls)  # type: ignore[arg-type]
    numbers = [{"number": number} for number in range(options.jobs)]
    killed, first = 0, len(numbers) // 2

    async def kill_some() -> None:
        nonlocal killed
        while killed < options.kills:
            await asyncio.sleep(dice.uniform(0.05, 0.4))
            await asyncio.to_thread(workers.kill, dice.randrange(options.workers))
            killed += 1

    killing = asyncio.create_task(kill_some())
    async with batch:
        await member.enqueue_many(numbers[:first])
        await asyncio.sleep(dice.uniform(0, 1))
        await member.enqueue_many(numbers[first:])
    await killing
    deadline = time.monotonic() + _ROUND_WITHIN_S
    handles = [JobHandle[Any](f"{batch.id}:{how}", QUEUE) for how in calls]
    while time.monotonic() < deadline:
        states = [await handle.state() for handle in handles]
        if states == [JobState.DONE, JobState.DONE]:
            break
        await asyncio.sleep(0.1)
    progress = (await batch.progress()).queues[QUEUE]
    notes = [note.decode() for note in await client.lrange("called", 0, -1)]  # type: ignore[misc]
    wrong = [
        f"called before the last job: {note}" for note in notes if not note.endswith("0 False")
    ]
    wrong += [f"never called: {one.id}" for one in handles if not any(one.id in n for n in notes)]
    if progress.done != progress.total or progress.total < options.jobs * (1 + 1 / _FAN_OUT):
        wrong.append(f"counts do not add up: {progress}")
    print(f"{progress.total} jobs, {killed} kills, callbacks ran {len(notes)} times", flush=True)
    return wrong


async def run(options: argparse.Namespace) -> list[str]:
    """Play all rounds."""
    dice, wrong = random.Random(options.seed), list[str]()  # noqa: S311 -- repeatable
    for _ in range(options.rounds):
        with running_redis() as server:
            client = connect(server.url)
            use(client)
            workers = Workers(server.url, options.workers)
            try:
                wrong += await play(client, workers, dice, options)
            finally:
                workers.stop()
                await client.aclose()
    return wrong


def main() -> int:
    """Run the trials, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=10_000, help="in a round; a tenth adds another")
    parser.add_argument("--kills", type=int, default=30, help="in a round")
    parser.add_argument("--workers", type=int, default=3, help="worker processes")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    wrong = asyncio.run(run(options))
    for one in wrong:
        print(one)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
