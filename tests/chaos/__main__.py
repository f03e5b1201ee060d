"""
`make chaos`: inject faults for two minutes, then check that nothing was lost.

    make chaos ARGS="--seconds 600 --seed 42 --write docs/reliability.md"
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import platform
import random
import secrets
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from runner import connect
from runner.broker.keys import DEAD_SUFFIX, PAUSED_SUFFIX, SUSPECTS_SUFFIX, queue_key
from runner.errors import EnqueueError
from tests.chaos.checker import Verdict, check
from tests.chaos.ledger import Ledger, read
from tests.chaos.nemesis import Nemesis, Workers
from tests.chaos.poison import waiting
from tests.chaos.proxy import Proxy
from tests.chaos.workload import IDLE_POLL_S, LEASE_S, QUEUE, flaky, quick, slow
from tests.redis_server import running_redis

if TYPE_CHECKING:
    from runner.decorator import BoundJob

_SLACK_S = 2.0
"""Extra time for starting a process on a busy machine."""

_ALONE_S = 4.0
"""A job that was lost with its worker waits until the longest jobs of another have ended."""

_REST_WITHIN_S = 90.0
_MARK = "<!-- figures of a run -->"


async def produce(url: str, ledger: Ledger, dice: random.Random, per_s: float) -> None:
    """Enqueue until cancelled; only what Redis has acknowledged counts."""
    client = connect(url)
    try:
        while True:
            bound, kwargs = _draw(dice)
            request = bound.request((), kwargs)
            ledger.note("sent", request.job_id, detail=(request.delay_ms or 0) / 1000)
            with contextlib.suppress(EnqueueError):
                await client.enqueuer.put(request)
                ledger.note("acknowledged", request.job_id)
            await asyncio.sleep(dice.expovariate(per_s))
    finally:
        await client.aclose()


def _draw(dice: random.Random) -> tuple[BoundJob[..., None], dict[str, float]]:
    delay_s = dice.choice([None, None, None, round(dice.uniform(0.1, 3.0), 3)])
    kind = dice.random()
    if kind < 0.5:
        return quick.options(delay_s=delay_s), {}
    if kind < 0.8:
        return slow.options(delay_s=delay_s), {"seconds": dice.choice([0.05, 0.2, 1.0, 4.0])}
    return flaky.options(delay_s=delay_s), {"failures": dice.randint(1, 5)}


async def wait_until_drained(url: str) -> list[str]:
    """Wait until no job waits or runs; return the ids of those that still do at the deadline."""
    client = connect(url)
    key = queue_key(QUEUE)
    deadline = time.monotonic() + _REST_WITHIN_S
    try:
        await client.delete(key + PAUSED_SUFFIX)
        while await waiting(client, key) and time.monotonic() < deadline:  # noqa: ASYNC110 -- Redis's
            await asyncio.sleep(0.2)
        left = await client.zrange(key, 0, -1)
        left += await client.zrange(key + SUSPECTS_SUFFIX, 0, -1)
        return [job_id.decode() for job_id in left]
    finally:
        await client.aclose()


async def run(arguments: argparse.Namespace, folder: Path) -> tuple[Verdict, Nemesis, Workers]:
    """Run once, from an empty Redis to the verdict."""
    dice = random.Random(arguments.seed)  # noqa: S311 -- repeatable
    path = folder / "ledger"
    ledger = Ledger(path)
    with running_redis(append_only=True) as server:
        async with Proxy(server.host, server.port).running() as proxy:
            url = f"redis://{server.host}:{proxy.port}/0"
            workers = Workers(arguments.workers, url, path)
            nemesis = Nemesis(server=server, proxy=proxy, workers=workers, ledger=ledger, dice=dice)
            await workers.start()
            producers = [
                asyncio.create_task(produce(where, ledger, random.Random(seed), arguments.rate))  # noqa: S311 -- repeatable
                for seed, where in ((arguments.seed + 1, url), (arguments.seed + 2, server.url))
            ]
            await nemesis.run(arguments.seconds)
            for producer in producers:
                producer.cancel()
            await asyncio.gather(*producers, return_exceptions=True)
            stuck = await wait_until_drained(server.url)
            await workers.stop()
            await nemesis.close()
            client = connect(server.url)
            dead = await client.zrange(queue_key(QUEUE) + DEAD_SUFFIX, 0, -1)
            await client.aclose()
    verdict = check(
        read(path),
        [job_id.decode() for job_id in dead],
        lease_s=LEASE_S,
        within_s=LEASE_S + IDLE_POLL_S + _ALONE_S + _SLACK_S,
    )
    verdict.lost += [f"{job_id} (still waiting)" for job_id in stuck]
    return verdict, nemesis, workers


def report(arguments: argparse.Namespace, verdict: Verdict, nemesis: Nemesis) -> str:
    """Return the run's results as Markdown."""
    faults = "\n".join(f"| {name} | {count} |" for name, count in sorted(nemesis.faults.items()))
    injected = sum(nemesis.faults.values())
    day = datetime.now(UTC).date().isoformat()
    return f"""{_MARK}
`make chaos ARGS="--seconds {arguments.seconds:g} --seed {arguments.seed}"` on {day}, \
Python {platform.python_version()}, {arguments.workers} workers:

| figure | value |
|---|---|
| faults injected | {injected} |
| jobs acknowledged at enqueue | {verdict.acknowledged} |
| finished | {verdict.ended} |
| in the dead set | {verdict.dead} |
| deleted by the operator | {verdict.deleted} |
| lost | {len(verdict.lost)} |
| settled by a worker that had lost the job | {len(verdict.unfenced)} |
| charged an attempt for a crash | {len(verdict.overcharged)} |
| finished more than once | {verdict.duplicates} |
| recoveries after SIGKILL | {verdict.recoveries} |
| worst recovery (lease {LEASE_S:g} s, idle poll {IDLE_POLL_S:g} s) | \
{verdict.worst_recovery_s:.2f} s |
| longest wait of a recovered job for its turn in the queue | {verdict.longest_turn_s:.2f} s |

| fault | times |
|---|---|
{faults}
"""


def main() -> int:
    """Run and print the results; exit status 0 means that every promise was kept."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--rate", type=float, default=30.0, help="jobs a second and producer")
    parser.add_argument("--write", type=Path, help="put the figures into this file")
    arguments = parser.parse_args()
    print(f"chaos for {arguments.seconds:g} s with seed {arguments.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="pipeline-chaos-") as folder:
        verdict, nemesis, workers = asyncio.run(run(arguments, Path(folder)))
    text = report(arguments, verdict, nemesis)
    print(text)
    print(f"exit statuses of workers: {dict(workers.exits)}")
    if arguments.write:
        before = arguments.write.read_text().partition(_MARK)[0]
        arguments.write.write_text(before + text)
    for problem in verdict.problems:
        print(f"BROKEN: {problem}", file=sys.stderr)
    return 1 if verdict.problems else 0


if __name__ == "__main__":
    sys.exit(main())
