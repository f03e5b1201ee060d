"""
Poison trials: jobs that kill their worker among jobs that do not; only the guilty may be buried.

    python -m tests.chaos.poison --trials 1000

Each round puts some poison jobs among innocent ones: they end their process at once, crash it, or
take its memory until the system kills it. Worker processes are started again as they die. A round
ends when no job waits or runs. Exits 1 if an innocent job is dead or lost, or a poison job lives.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import random
import secrets
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runner import connect
from runner.broker import keys
from runner.current import use
from tests.chaos.poisoned_worker import HOW, QUEUE, harmless, poison, work
from tests.redis_server import running_redis

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext, ForkServerProcess

    from runner import QueueClient

KEY = keys.ARQ.queue_key(QUEUE)
_ROUND_WITHIN_S = 120.0


@dataclass
class Found:
    """What the rounds have shown."""

    trials: int = 0
    buried: int = 0
    innocents: int = 0
    deaths: int = 0
    """Worker processes that died."""
    wronged: list[str] = field(default_factory=list)
    """Innocent jobs that are dead, or not done."""
    spared: list[str] = field(default_factory=list)
    """Poison jobs that are not dead."""


class Processes:
    """Worker processes, started again as they die."""

    def __init__(self, url: str, count: int) -> None:
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([work.__module__])
        self._url = url
        self._running = [self._start() for _ in range(count)]
        self.deaths = 0

    def _start(self) -> ForkServerProcess:
        process = self._context.Process(target=work, args=(self._url,), daemon=True)
        process.start()
        return process

    def start_again(self) -> None:
        """Start another process for each that has died."""
        for place, process in enumerate(self._running):
            if not process.is_alive():
                process.join()
                self.deaths += 1
                self._running[place] = self._start()

    def stop(self) -> None:
        """End all of them."""
        for process in self._running:
            process.kill()
            process.join()


async def play(
    client: QueueClient, processes: Processes, dice: random.Random, guilty: int, innocent: int
) -> tuple[list[str], list[str]]:
    """Play one round, and return the ids of its poison and its innocent jobs."""
    drawn = ["poison"] * guilty + ["harmless"] * innocent
    dice.shuffle(drawn)
    ids: dict[str, list[str]] = {"poison": [], "harmless": []}
    for kind in drawn:
        seconds = round(dice.choice((0.0, dice.uniform(0.0, 0.3))), 3)
        if kind == "poison":
            handle = await poison.options(queue=QUEUE).enqueue(seconds, dice.choice(HOW))
        else:
            handle = await harmless.options(queue=QUEUE).enqueue(seconds)
        ids[kind].append(handle.id)
    deadline = time.monotonic() + _ROUND_WITHIN_S
    while time.monotonic() < deadline:
        processes.start_again()
        if not await waiting(client, KEY):
            break
        await asyncio.sleep(0.02)
    return ids["poison"], ids["harmless"]


async def waiting(client: QueueClient, key: str) -> int:
    """Return how many jobs wait or run: in one transaction, since jobs go to and fro."""
    async with client.pipeline(transaction=True) as pipe:
        pipe.zcard(key)
        pipe.zcard(key + keys.SUSPECTS_SUFFIX)
        return sum(await pipe.execute())


async def run(arguments: argparse.Namespace) -> Found:
    """Run all rounds."""
    dice, found = random.Random(arguments.seed), Found()  # noqa: S311 -- repeatable
    with running_redis() as server:
        client = connect(server.url)
        use(client)
        processes = Processes(server.url, arguments.workers)
        try:
            while found.trials < arguments.trials:
                guilty = min(arguments.at_a_time, arguments.trials - found.trials)
                poisons, others = await play(client, processes, dice, guilty, arguments.innocent)
                dead = {one.decode() for one in await client.zrange(KEY + keys.DEAD_SUFFIX, 0, -1)}
                done = await client.exists(*[keys.ARQ.result_prefix + one for one in others])
                found.trials += guilty
                found.innocents += len(others)
                found.buried += len(dead & set(poisons))
                found.spared += sorted(set(poisons) - dead)
                found.wronged += sorted(dead & set(others))
                found.wronged += ["not done"] * (len(others) - done)
                found.deaths = processes.deaths
                _print(found)
                await client.flushdb()
        finally:
            processes.stop()
            await client.aclose()
    return found


def _print(found: Found) -> None:
    print(
        f"{found.trials} trials: {found.buried} poison jobs buried, {len(found.spared)} not; "
        f"{found.innocents} innocent jobs, {len(found.wronged)} of them dead or lost; "
        f"{found.deaths} worker processes died",
        flush=True,
    )


def main() -> int:
    """Run the trials, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=1000, help="poison jobs in all")
    parser.add_argument("--at-a-time", type=int, default=20, help="poison jobs in a round")
    parser.add_argument("--innocent", type=int, default=60, help="innocent jobs in a round")
    parser.add_argument("--workers", type=int, default=3, help="worker processes")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    found = asyncio.run(run(arguments))
    for one in found.wronged:
        print(f"innocent, and dead or lost: {one}")
    for one in found.spared:
        print(f"poison, and not dead: {one}")
    return 1 if found.wronged or found.spared else 0


if __name__ == "__main__":
    sys.exit(main())
