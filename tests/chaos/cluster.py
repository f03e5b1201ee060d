"""
Chaos in a Redis Cluster: its masters are killed and frozen, and the slot is moved, under load.

    python -m tests.chaos.cluster --seconds 1200 --moves 10
    python -m tests.chaos.cluster --seconds 0 --moves 1000

Six servers, worker processes, and a service that enqueues at a steady rate with `copies=1`. At the
end nothing that was acknowledged may be missing. After each move, and at the end, each job is in
exactly one state. Exits 1 if a promise is broken, or if the queue was back too late after a fault:
by the first job that was enqueued after it and has ended.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import secrets
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import redis

from runner import connect
from runner.broker import keys
from runner.errors import EnqueueError
from tests.chaos.checker import Verdict, check
from tests.chaos.invariant import contradictions
from tests.chaos.ledger import Event, Ledger, read
from tests.chaos.workers import Workers
from tests.chaos.workload import IDLE_POLL_S, LEASE_S, MAX_RETRIES, QUEUE, flaky, quick, slow
from tests.redis_cluster import NODE_TIMEOUT_S, RedisCluster, ask, running_cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runner import QueueClient
    from runner.decorator import BoundJob
    from tests.redis_server import RedisServer

_OWN = keys.with_prefix("", slot="")
_BACK_WITHIN_S = NODE_TIMEOUT_S + 3.0
_MOVED_WITHIN_S = 0.5
_RESTARTED = "restarted at once"
_RESTARTED_WITHIN_S = 1.0
"""After Redis takes writes again: a master that comes back waits for seconds by itself."""
_BEHIND_S = 0.7
_REST_WITHIN_S = 120.0
_SHOWN = 10


@dataclass(slots=True)
class Fault:
    """
    One fault, *at_s* by the monotonic clock.

    took_s: how long a slot was on its way. served_s: after what time a node took writes to it.
    back_s: after what time the queue was back.
    """

    kind: str
    at_s: float
    took_s: float = 0.0
    served_s: float | None = None
    back_s: float | None = None


@dataclass(slots=True)
class Trial:
    """A cluster under load, and what is done to it."""

    cluster: RedisCluster
    workers: Workers
    ledger: Ledger
    dice: random.Random
    faults: list[Fault] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    looks: int = 0

    def master(self) -> RedisServer:
        """Return the master of the jobs."""
        return self.cluster.master_of(_OWN.base)

    def look(self) -> None:
        """Look whether each job is in exactly one state."""
        server = self.master()
        with redis.Redis(port=server.port, socket_timeout=30.0) as client:
            self.torn += contradictions(client, _OWN, QUEUE)
        self.looks += 1

    def kill(self) -> None:
        """Kill the master, and start it again once it has been replaced."""
        master = self.master()
        fault = self._begin("killed")
        master.kill()
        self._see_served(fault, 3 * NODE_TIMEOUT_S, beside=master)
        master.start()

    def restart(self) -> None:
        """Kill the master, and start it again before it is replaced."""
        master = self.master()
        fault = self._begin(_RESTARTED)
        master.kill()
        master.start()
        self._see_served(fault, 4 * NODE_TIMEOUT_S)

    def freeze(self) -> None:
        """Freeze the master until it has been replaced: it wakes, and still says yes."""
        master = self.master()
        fault = self._begin("frozen")
        master.pause()
        self._see_served(fault, self.dice.uniform(2.0, 4.0) * NODE_TIMEOUT_S, beside=master)
        master.resume()

    def freeze_shortly(self) -> None:
        """Freeze the master for less than it takes to replace it."""
        master = self.master()
        self._begin("frozen shortly")
        master.pause()
        time.sleep(self.dice.uniform(0.1, 0.7) * NODE_TIMEOUT_S)
        master.resume()

    def kill_ahead(self) -> None:
        """Kill the master while its replica is behind."""
        master = self.master()
        replica = self.cluster.replica_of(master)
        replica.pause()
        time.sleep(_BEHIND_S)
        fault = self._begin("killed, its replica behind")
        master.kill()
        replica.resume()
        self._see_served(fault, 3 * NODE_TIMEOUT_S, beside=master)
        master.start()

    def kill_worker(self) -> None:
        """Kill a worker."""
        victim = self.dice.choice(self.workers.processes)
        with suppress(ProcessLookupError):
            victim.kill()
        self.ledger.note("killed", detail=victim.pid)

    def move(self) -> None:
        """Move the slot to another master."""
        source = self.master()
        to = self.dice.choice(self.cluster.others(source))
        fault = self._begin("slot moved")
        self.cluster.begin_move(_OWN.base, to)
        self.cluster.end_move(_OWN.base, source, to)
        fault.took_s = time.monotonic() - fault.at_s

    def _see_served(
        self, fault: Fault, within_s: float, *, beside: RedisServer | None = None
    ) -> None:
        """Note when a node but *beside* takes writes; return after *within_s*."""
        nodes = [one for one in self.cluster.nodes if one is not beside]
        while (since_s := time.monotonic() - fault.at_s) < within_s:
            time.sleep(0.05)
            if fault.served_s is None and any(_takes_writes(one) for one in nodes):
                fault.served_s = since_s

    def _begin(self, kind: str) -> Fault:
        self.faults.append(Fault(kind, time.monotonic()))
        return self.faults[-1]


def _takes_writes(node: RedisServer) -> bool:
    try:
        ask(node, "SET", f"{_OWN.base}probe", 1)
    except redis.RedisError:
        return False
    return True


async def _inject(trial: Trial, seconds: float, moves: int) -> None:
    """Do one thing after the other to the cluster, which is whole before each."""
    until = time.monotonic() + seconds
    gap_s = seconds / (moves + 1)
    moved = 0
    repertoire: list[Callable[[], None]] = [
        *(trial.kill, trial.kill, trial.freeze, trial.freeze, trial.freeze_shortly),
        *(trial.kill_ahead, trial.kill_ahead, trial.restart, trial.kill_worker),
    ]
    while moved < moves or time.monotonic() < until:
        is_time_to_move = time.monotonic() >= until - seconds + gap_s * (moved + 1)
        if moved < moves and is_time_to_move:
            moved += 1
            await asyncio.to_thread(trial.move)
            await asyncio.to_thread(trial.look)
            if seconds:
                await asyncio.to_thread(trial.cluster.whole)
            elif moved % 100 == 0:
                print(f"{moved} moves, {len(trial.torn)} contradictions", flush=True)
        else:
            await asyncio.to_thread(trial.dice.choice(repertoire))
            await asyncio.to_thread(trial.cluster.whole)
        if seconds:
            await asyncio.sleep(trial.dice.uniform(1.0, 3.0))


async def _produce(client: QueueClient, ledger: Ledger, dice: random.Random, rate: float) -> Any:
    """Enqueue *rate* jobs a second until cancelled; return how those that raised ended."""
    refused: Counter[str] = Counter()
    tasks: set[asyncio.Task[None]] = set()
    begun, count = time.monotonic(), 0
    try:
        while True:
            for _ in range(round((time.monotonic() - begun) * rate) - count):
                count += 1
                task = asyncio.create_task(_enqueue(client, ledger, _draw(dice), refused))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            await asyncio.sleep(0.02)
    except asyncio.CancelledError:
        await asyncio.gather(*tasks)
    return refused


async def _enqueue(
    client: QueueClient,
    ledger: Ledger,
    drawn: tuple[BoundJob[..., None], dict[str, Any]],
    refused: Counter[str],
) -> None:
    bound, kwargs = drawn
    request = bound.request((), kwargs)
    ledger.note("sent", request.job_id)
    try:
        await client.enqueuer.put(request)
    except EnqueueError as error:
        text = str(error)
        if "replicas" in text:
            refused["enqueued without a copy in time, and said so"] += 1
        elif "may be enqueued" in text:
            refused["may be enqueued, and said so"] += 1
        else:
            refused[text.split(": ", 1)[-1][:60]] += 1
    else:
        ledger.note("acknowledged", request.job_id, detail=1)


def _draw(dice: random.Random) -> tuple[BoundJob[..., None], dict[str, Any]]:
    choices: list[tuple[Any, dict[str, Any]]] = [
        (quick, {}),
        (slow, {"seconds": dice.choice([0.02, 0.05, 0.2])}),
        (flaky, {"failures": dice.randint(1, MAX_RETRIES + 1)}),
    ]
    chosen, kwargs = dice.choices(choices, (75, 15, 10))[0]
    return chosen.options(copies=1), kwargs


async def run(arguments: argparse.Namespace, cluster: RedisCluster, folder: Path) -> int:
    """Run once, print the figures, and return the exit status."""
    path = folder / "ledger"
    ledger = Ledger(path)
    dice = random.Random(arguments.seed)  # noqa: S311 -- repeatable
    urls = [cluster.url] * arguments.workers
    workers = Workers(urls, (), path, folder, "tests.chaos.unrecorded")
    await workers.start()
    trial = Trial(cluster, workers, ledger, dice)
    client = connect(cluster.url)
    try:
        await asyncio.to_thread(_wait_until_up, path, arguments.workers)
        producing = asyncio.create_task(_produce(client, ledger, dice, arguments.rate))
        begun = time.monotonic()
        await _inject(trial, arguments.seconds, arguments.moves)
        took_s = time.monotonic() - begun
        producing.cancel()
        refused = await producing
        await asyncio.to_thread(cluster.whole)
        dead, left = await asyncio.to_thread(_wait_until_drained, trial)
        await asyncio.to_thread(trial.look)
        await workers.stop()
    finally:
        workers.kill()
        await client.aclose()
    events = read(path)
    verdict = check(
        events, dead, lease_s=LEASE_S, within_s=LEASE_S + IDLE_POLL_S + _BACK_WITHIN_S + 4.0
    )
    verdict.lost += [f"{job_id} (still waiting)" for job_id in left]
    _time_faults(trial.faults, events)
    return _report(trial, verdict, events, refused, took_s, are_apart=arguments.seconds > 0)


def _wait_until_up(path: Path, workers: int) -> None:
    while sum(event.kind == "up" for event in read(path)) < workers:
        time.sleep(0.2)


def _wait_until_drained(trial: Trial) -> tuple[list[str], list[str]]:
    """Wait until no job waits or runs, or too long; return the dead, and what is left."""
    key, deadline = _OWN.queue_key(QUEUE), time.monotonic() + _REST_WITHIN_S
    with redis.Redis(port=trial.master().port, socket_timeout=30.0) as client:
        while True:
            places: list[Any] = [
                client.zrange(key + place, 0, -1) for place in ("", keys.SUSPECTS_SUFFIX)
            ]
            left = [job_id.decode() for ids in places for job_id in ids]
            if not left or time.monotonic() > deadline:
                dead: Any = client.zrange(key + keys.DEAD_SUFFIX, 0, -1)
                return [job_id.decode() for job_id in dead], left
            time.sleep(0.2)


def _time_faults(faults: Sequence[Fault], events: Sequence[Event]) -> None:
    """Set when the queue was back: a job had ended that was sent after the fault began."""
    sent = {event.job_id: event.at_s for event in events if event.kind == "sent"}
    ended = [event for event in events if event.kind == "ended" and event.job_id in sent]
    for fault in faults:
        back_at = (one.at_s for one in ended if sent[one.job_id] > fault.at_s)
        fault.back_s = next((at_s - fault.at_s for at_s in back_at), None)


def _report(
    trial: Trial,
    verdict: Verdict,
    events: Sequence[Event],
    refused: Counter[str],
    took_s: float,
    *,
    are_apart: bool,
) -> int:
    raised: Counter[str] = Counter(event.job_id for event in events if event.kind == "raised")
    sent = sum(event.kind == "sent" for event in events)
    print(f"\n{took_s:.0f} s, {sent:,} jobs sent:\n\n| figure | value |\n|---|--:|")
    for name, value in {
        "acknowledged with a copy": verdict.acknowledged,
        **refused,
        "finished, of those acknowledged": verdict.ended,
        "dead, of those": verdict.dead,
        "**lost**": len(verdict.lost),
        "finished more than once": verdict.duplicates,
        "**attempts charged for no failure**": len(verdict.overcharged),
        "looks at all jobs": trial.looks,
        "**contradictions in them**": len(trial.torn),
    }.items():
        print(f"| {name} | {value:,} |")
    # Between moves that follow each other at once the queue has no time to be back.
    faults = trial.faults if are_apart else []
    print(
        "\n| fault | times | Redis takes writes after, median s | back after, median s | worst s |"
    )
    print("|---|--:|--:|--:|--:|")
    late = []
    for kind in sorted({fault.kind for fault in faults}):
        of_kind = [fault for fault in faults if fault.kind == kind]
        took = [_beyond(fault) for fault in of_kind]
        served = [fault.served_s for fault in of_kind if fault.served_s]
        median, worst = statistics.median(took), max(took)
        serves = f"{statistics.median(served):.1f}" if served else ""
        print(f"| {kind} | {len(took)} | {serves} | {median:.1f} | {worst:.1f} |")
        late += [
            f"{kind}: back after {_beyond(one):.1f} s"
            for one in of_kind
            if _beyond(one) > _bar(one)
        ]
    moves = [fault.took_s for fault in trial.faults if fault.took_s]
    if moves:
        print(
            f"\n{len(moves):,} moves of the slot: on its way for {statistics.median(moves):.2f} s, "
            f"{max(moves):.2f} s at most, which is not counted above."
        )
    problems = [*verdict.problems, *trial.torn[:_SHOWN], *late[:_SHOWN]]
    problems += [
        f"{one} is dead after {raised[one]} failures" for one in _dead_early(raised, events)
    ]
    for problem in problems:
        print(f"BROKEN: {problem}", file=sys.stderr)
    return 1 if problems else 0


def _beyond(fault: Fault) -> float:
    """Return how long the queue stood still, beside the time in which the slot was moved."""
    return float("inf") if fault.back_s is None else max(0.0, fault.back_s - fault.took_s)


def _bar(fault: Fault) -> float:
    if fault.kind == "slot moved":
        return _MOVED_WITHIN_S
    if fault.kind == _RESTARTED:
        return (fault.served_s or 0.0) + _RESTARTED_WITHIN_S
    return _BACK_WITHIN_S


def _dead_early(raised: Counter[str], events: Sequence[Event]) -> list[str]:
    """Return the jobs that failed, did not end, and have attempts left: none may be dead."""
    ended = {event.job_id for event in events if event.kind == "ended"}
    acknowledged = {event.job_id for event in events if event.kind == "acknowledged"}
    return [one for one in acknowledged - ended if raised[one] <= MAX_RETRIES]


def main() -> int:
    """Run once; exit status 0 means that every promise was kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0, help="of faults; 0: only moves")
    parser.add_argument("--moves", type=int, default=10, help="of the slot, in that time")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--rate", type=float, default=50.0, help="jobs a second")
    parser.add_argument("--keep", type=Path, help="leave ledger and logs in this folder")
    arguments = parser.parse_args()
    print(f"chaos in a cluster with seed {arguments.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="pipeline-chaos-") as scratch:
        folder = arguments.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        with running_cluster() as cluster:
            return asyncio.run(run(arguments, cluster, folder))


if __name__ == "__main__":
    sys.exit(main())
