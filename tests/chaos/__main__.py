"""
`make chaos`: inject faults for two minutes, then check that nothing was lost.

    make chaos ARGS="--seconds 600 --seed 42 --bulk 20 --append docs/chaos.jsonl"
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import secrets
import shutil
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runner.broker import keys
from tests.cable import Cable
from tests.chaos.checker import Verdict, check
from tests.chaos.history import History
from tests.chaos.ledger import Ledger, read
from tests.chaos.nemesis import HOUR_S, Nemesis
from tests.chaos.producer import produce
from tests.chaos.recorded import Recorder, monotonic_offset_s, recording_scripts
from tests.chaos.servers import Servers
from tests.chaos.workers import Workers
from tests.chaos.workload import IDLE_POLL_S, LEASE_S, QUEUE
from tests.replaced_scripts import replaced_scripts
from tests.wall_clock import WallClock, library_in

_SLACK_S = 2.0
"""Extra time for starting a process on a busy machine."""

_ALONE_S = 4.0
"""A job that was lost with its worker waits until the longest jobs of another have ended."""

_REST_WITHIN_S = 300.0
_DRAIN_EVERY_S = 0.5
_FAR_S = 600
_KEY = keys.ARQ.queue_key(QUEUE)


@dataclass(frozen=True, slots=True)
class Ending:
    """
    What Redis has at the end of a run.

    stuck: jobs that still wait. leftovers: what no job needs. hour_later: how many ran an hour
    after their time, since they were delayed just before Redis's clock was set back.
    """

    dead: list[str]
    stuck: list[str]
    leftovers: list[str]
    hour_later: int


@dataclass(frozen=True, slots=True)
class Run:
    """One run and its verdict. exits: of worker processes, by their status."""

    server: str
    seconds: float
    seed: int
    faults: dict[str, int]
    missing: list[str]
    exits: dict[int, int]
    calls: int
    seen: dict[str, int]
    verdict: Verdict


async def keep_draining(of_run: Servers) -> None:
    """Take the history out of Redis again and again, until cancelled."""
    while True:
        await asyncio.to_thread(of_run.drain)
        await asyncio.sleep(_DRAIN_EVERY_S)


def wait_until_drained(of_run: Servers) -> Ending:
    """Wait until no job waits or runs, or too long, and return what is left."""
    deadline = time.monotonic() + _REST_WITHIN_S
    with of_run.client() as client:
        client.delete(_KEY + keys.PAUSED_SUFFIX)
        waiting: dict[bytes, float] = {b"": 0.0}
        hour_later = 0
        while waiting and time.monotonic() < deadline:
            time.sleep(0.2)
            of_run.drain()
            with client.pipeline(transaction=True) as pipe:
                pipe.time()
                pipe.zrange(_KEY, 0, -1, withscores=True)
                pipe.zrange(_KEY + keys.SUSPECTS_SUFFIX, 0, -1, withscores=True)
                (now_s, _), due, suspects = pipe.execute()
            waiting = dict([*due, *suspects])
            if of_run.clock and waiting and min(waiting.values()) > (now_s + _FAR_S) * 1000:
                hour_later = len(waiting)
                of_run.clock.set(HOUR_S)
        dead: Any = client.zrange(_KEY + keys.DEAD_SUFFIX, 0, -1)
        return Ending(
            [job_id.decode() for job_id in dead],
            [job_id.decode() for job_id in waiting],
            [] if waiting else list(_leftovers(client, set(dead))),
            hour_later,
        )


def _leftovers(client: Any, dead: set[bytes]) -> list[str]:
    """What is over leaves nothing behind; a dead job keeps its body."""
    found = []
    for prefix in (keys.ARQ.job_prefix, keys.ARQ.retry_prefix, keys.ARQ.in_progress_prefix):
        ids = {key[len(prefix) :] for key in client.scan_iter(f"{prefix}*", count=5000)}
        found += [f"{prefix}{job_id.decode()}" for job_id in ids - dead]
        if prefix == keys.ARQ.job_prefix:
            found += [f"no body: {job_id.decode()}" for job_id in dead - ids]
    for suffix in (keys.RUNNING_SUFFIX, keys.CRASHES_SUFFIX):
        found += [
            f"{suffix}: {field.decode()}"
            for field in client.hkeys(_KEY + suffix)
            if field not in dead
        ]
    retrying = client.zrange(_KEY + keys.RETRYING_SUFFIX, 0, -1)
    return found + [f"{keys.RETRYING_SUFFIX}: {job_id.decode()}" for job_id in retrying]


async def run(arguments: argparse.Namespace, folder: Path) -> Run:
    """Run once, from an empty Redis to the verdict."""
    path = folder / "ledger"
    ledger, recorder = Ledger(path), Recorder(folder / "history")
    async with AsyncExitStack() as exits:
        exits.enter_context(replaced_scripts(recording_scripts()))
        cables = [
            await exits.enter_async_context(Cable("127.0.0.1", 0).laid())
            for _ in range(arguments.workers + 3)
        ]
        of_workers, of_producers, own = cables[:-3], cables[-3:-1], cables[-1]
        clocks = _clocks(folder, len(cables))
        of_run = Servers(recorder, cables, clocks[-1] if clocks else None)
        exits.callback(of_run.close)
        await asyncio.to_thread(of_run.start)
        version = of_run.version
        offset_s = monotonic_offset_s()
        workers = Workers([one.url for one in of_workers], clocks[:-1], path, folder)
        nemesis = Nemesis(
            servers=of_run,
            cables=of_workers,
            own=own,
            workers=workers,
            ledger=ledger,
            dice=random.Random(arguments.seed),  # noqa: S311 -- repeatable
            folder=folder,
        )
        exits.callback(workers.kill)
        await workers.start()
        beside = [asyncio.create_task(keep_draining(of_run))]
        for seed, cable in enumerate(of_producers, arguments.seed + 1):
            dice = random.Random(seed)  # noqa: S311 -- repeatable
            beside.append(
                asyncio.create_task(
                    produce(cable.url, ledger, dice, per_s=arguments.rate, bulk=arguments.bulk)
                )
            )
        await nemesis.run(arguments.seconds)
        await _end(beside)
        ending = await asyncio.to_thread(wait_until_drained, of_run)
        await workers.stop()
        await nemesis.close()
        await asyncio.to_thread(of_run.drain)
    recorder.close()
    history = History(folder / "history", offset_s=offset_s)
    verdict = _judge(read(path), history, ending)
    return Run(
        version,
        arguments.seconds,
        arguments.seed,
        dict(nemesis.faults),
        nemesis.missing,
        dict(workers.exits),
        history.calls,
        dict(history.seen),
        verdict,
    )


def _clocks(folder: Path, count: int) -> list[WallClock]:
    library = library_in(folder)
    return [WallClock(library, folder / f"clock-{n}") for n in range(count)] if library else []


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel tasks; one that has failed shows its error."""
    for task in tasks:
        if not task.done():
            task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended


def _judge(events: list[Any], history: History, ending: Ending) -> Verdict:
    verdict = check(
        sorted([*events, *history.events], key=lambda event: event.at_s),
        ending.dead,
        lease_s=LEASE_S,
        within_s=LEASE_S + IDLE_POLL_S + _ALONE_S + _SLACK_S,
        forgotten=history.forgotten,
    )
    verdict.contradictions = history.contradictions
    stuck = set(ending.stuck)
    verdict.lost += [f"{job_id} (still waiting)" for job_id in ending.stuck]
    verdict.lost += [f"{job_id} (nowhere)" for job_id in history.left if job_id not in stuck]
    verdict.leftovers = ending.leftovers
    verdict.hour_later = ending.hour_later
    return verdict


def report(one: Run) -> str:
    """Return a run's results as Markdown."""
    verdict = one.verdict
    rows = {
        "faults injected": sum(one.faults.values()),
        "jobs acknowledged at enqueue": verdict.acknowledged,
        "finished": verdict.ended,
        "in the dead set": verdict.dead,
        "deleted by the operator": verdict.deleted,
        "forgotten by Redis, as it may": verdict.forgotten,
        "delayed by an hour with Redis's clock": verdict.hour_later,
        "lost": len(verdict.lost),
        "calls in the history": one.calls,
        "contradictions in the history": len(verdict.contradictions),
        "charged an attempt for a crash": len(verdict.overcharged),
        "finished more than once": verdict.duplicates,
        "recoveries after SIGKILL": verdict.recoveries,
        f"worst recovery (lease {LEASE_S:g} s, idle poll {IDLE_POLL_S:g} s)": (
            f"{verdict.worst_recovery_s:.2f} s"
        ),
        "longest wait of a recovered job for its turn": f"{verdict.longest_turn_s:.2f} s",
    }
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    faults = [f"| {name} | {times} |" for name, times in sorted(one.faults.items())]
    missing = "".join(f"\nNot injected: {what}.\n" for what in one.missing)
    return "\n".join(
        [
            f"{one.server}, {one.seconds:g} s with seed {one.seed}:",
            "",
            "| figure | value |",
            "|---|---|",
            *lines,
            "",
            "| fault | times |",
            "|---|---|",
            *faults,
            missing,
        ]
    )


def main() -> int:
    """Run and print the results; exit status 0 means that every promise was kept."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--rate", type=float, default=30.0, help="jobs a second and producer")
    parser.add_argument("--bulk", type=int, default=0, help="plain jobs beside each of them")
    parser.add_argument(
        "--append", type=Path, help="add the figures as a line of JSON to this file"
    )
    parser.add_argument("--keep", type=Path, help="leave ledger, history and logs in this folder")
    arguments = parser.parse_args()
    print(f"chaos for {arguments.seconds:g} s with seed {arguments.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="pipeline-chaos-") as folder:
        one = asyncio.run(run(arguments, Path(folder)))
        if arguments.keep:
            shutil.copytree(folder, arguments.keep, dirs_exist_ok=True)
    print(report(one))
    print(f"exit statuses of workers: {one.exits}; also met: {one.seen}")
    if arguments.append:
        day = datetime.now(UTC).date().isoformat()
        with arguments.append.open("a") as file:
            file.write(json.dumps({"day": day} | asdict(one)) + "\n")
    for problem in one.verdict.problems:
        print(f"BROKEN: {problem}", file=sys.stderr)
    return 1 if one.verdict.problems else 0


if __name__ == "__main__":
    sys.exit(main())
