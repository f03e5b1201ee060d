"""
Trials of lanes: workers are killed while very many lanes have jobs, and no lane runs too many.

    python -m tests.chaos.lanes --seconds 300 --lanes 1000

Exits 1 if more jobs of a lane ran at a time than its limit, by when they began and ended; if a lane
with a rate started more than that and a burst within a second, jobs that were lost with a worker
left out; if a job is not over in the end, or a place is taken by none. Then the log of all runs is
kept. A job whose lease lapsed in a worker that lives runs twice in one place: it is counted apart.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import random
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from runner import connect
from runner.broker import keys
from runner.current import use
from tests.chaos.laned_worker import QUEUE, paced, two, work
from tests.redis_server import running_redis

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from multiprocessing.context import ForkServerContext, ForkServerProcess

    from runner import QueueClient

KEY = keys.ARQ.queue_key(QUEUE)
_LIMIT, _RATE, _BURST = 2, 5, 3
_WORKERS = 4
_SLACK_S = 0.02
"""A claim comes a little before the start that is written down."""


class Workers:
    """Processes, some of which are killed now and then, and started again."""

    def __init__(self, url: str, log: Path) -> None:
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([work.__module__])
        self._args = (url, str(log))
        self.deaths: defaultdict[int, list[float]] = defaultdict(list)
        """By process number, which may come again."""
        self._running = [self._start() for _ in range(_WORKERS)]

    def _start(self) -> ForkServerProcess:
        process = self._context.Process(target=work, args=self._args, daemon=True)
        process.start()
        return process

    def kill_one(self, dice: random.Random) -> None:
        """Kill one, and start another in its place."""
        place = dice.randrange(_WORKERS)
        self.kill(self._running[place])
        self._running[place] = self._start()

    def kill(self, process: ForkServerProcess) -> None:
        """Kill a process, and note when."""
        process.kill()
        process.join()
        self.deaths[process.pid or 0].append(time.monotonic())

    def stop(self) -> None:
        """Kill all of them."""
        for process in self._running:
            self.kill(process)


class Run(NamedTuple):
    """One attempt. number: of its lane."""

    number: str
    job_id: str
    began: float
    ended: float


def judge(log: Path, deaths: Mapping[int, Sequence[float]]) -> tuple[list[str], int]:
    """
    Return where more jobs of a lane ran at a time than may, or started too fast.

    And how many runs began while the same job still ran.
    """
    runs, starts = _read(log, deaths)
    changes: dict[str, list[tuple[float, int]]] = defaultdict(list)
    twice, last = 0, Run("", "", 0.0, 0.0)
    for run in sorted(runs, key=lambda one: (one.job_id, one.began)):
        if run.job_id == last.job_id and run.began < last.ended:
            twice += 1
            last = last._replace(ended=max(last.ended, run.ended))
            continue
        _note(changes, last)
        last = run
    _note(changes, last)
    return [*_too_many(changes), *_too_fast(starts)], twice


def _note(changes: dict[str, list[tuple[float, int]]], run: Run) -> None:
    changes[run.number] += [(run.began, 1), (run.ended, -1)]


def _read(
    log: Path, deaths: Mapping[int, Sequence[float]]
) -> tuple[list[Run], dict[str, dict[str, float]]]:
    """Return the runs of lanes with limits, and the first starts of those with rates, by lane."""
    going: dict[tuple[str, str], list[tuple[str, float]]] = defaultdict(list)
    starts: dict[str, dict[str, float]] = defaultdict(dict)
    runs = []
    for line in log.read_text(encoding="ascii").splitlines():
        what, kind, number, job_id, pid, at = line.split()
        if kind == "paced" and what == "begin":
            starts[number].setdefault(job_id, float(at))
        elif kind == "two" and what == "begin":
            going[job_id, pid].append((number, float(at)))
        elif kind == "two":
            runs.append(Run(number, job_id, going[job_id, pid].pop(0)[1], float(at)))
    for (job_id, pid), lost in going.items():
        for number, began in lost:
            died = min(at for at in deaths[int(pid)] if at >= began)
            runs.append(Run(number, job_id, began, died))
    return runs, starts


def _too_many(changes: dict[str, list[tuple[float, int]]]) -> list[str]:
    wrong = []
    for number, of_lane in changes.items():
        running = 0
        for at, by in sorted(of_lane):
            running += by
            if running > _LIMIT:
                wrong.append(f"two:{number} ran {running} at {at:.3f}")
    return wrong


def _too_fast(starts: dict[str, dict[str, float]]) -> list[str]:
    wrong = []
    for number, of_lane in starts.items():
        times = sorted(of_lane.values())
        for first, last in zip(times, times[_RATE + _BURST :], strict=False):
            if last - first < 1 - _SLACK_S:
                wrong.append(f"paced:{number} started {_RATE + _BURST + 1} in {last - first:.3f} s")
    return wrong


async def _left(client: QueueClient) -> int:
    found = await client.zcard(KEY) + await client.zcard(KEY + keys.WAITING_SUFFIX)
    return int(found + await client.zcard(KEY + keys.SUSPECTS_SUFFIX))


async def _play(client: QueueClient, workers: Workers, lanes: int, for_s: float) -> int:
    """Enqueue and kill for so long, then wait until no job is left; return how many there were."""
    dice, until, jobs = random.Random(1), time.monotonic() + for_s, 0  # noqa: S311 -- repeatable
    next_death = time.monotonic() + 3
    while time.monotonic() < until:
        if await _left(client) < 20 * lanes:
            calls = [{"number": dice.randrange(lanes)} for _ in range(200)]
            jobs += len(await two.enqueue_many(calls)) + len(await paced.enqueue_many(calls[:40]))
        if time.monotonic() > next_death:
            workers.kill_one(dice)
            next_death = time.monotonic() + dice.uniform(1, 6)
        await asyncio.sleep(0.05)
    last = time.monotonic() + 300
    while await _left(client) and time.monotonic() < last:  # noqa: ASYNC110 -- Redis tells nobody
        await asyncio.sleep(0.5)
    return jobs


async def _leaked(client: QueueClient) -> list[str]:
    names = [name async for name in client.scan_iter(f"{KEY}{keys.LANE_SUFFIX}*")]
    return [f"{name.decode()} is left" for name in names] + (
        [f"{left:,} jobs are not over"] if (left := await _left(client)) else []
    )


async def main() -> int:
    """Play, judge, and say what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.lanes")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--lanes", type=int, default=1000)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="lanes-"))
    log = folder / "runs"
    with running_redis() as server:
        client = connect(server.url)
        use(client)
        workers = Workers(server.url, log)
        try:
            jobs = await _play(client, workers, asked.lanes, asked.seconds)
            leaked = await _leaked(client)
        finally:
            workers.stop()
            await client.aclose()
    wrong, twice = judge(log, workers.deaths)
    runs = log.read_text(encoding="ascii").count("begin ")
    killed = sum(map(len, workers.deaths.values())) - _WORKERS
    sys.stdout.write(
        f"{jobs:,} jobs of {asked.lanes:,} lanes ran {runs:,} times, {killed} workers were killed, "
        f"{twice} jobs ran twice at a time: {len(wrong):,} faults of lanes, {len(leaked):,} leaks\n"
    )
    for fault in (*leaked[:20], *wrong[:20]):
        sys.stdout.write(f"  {fault}\n")
    if wrong or leaked:
        sys.stdout.write(f"all runs: {log}\n")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
