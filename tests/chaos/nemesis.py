"""The nemesis injects random faults, one at a time, each repaired before the next."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from runner import connect
from runner.admin import Admin
from runner.broker.keys import ARQ, DEAD_SUFFIX
from runner.states import Found
from tests.chaos.workload import LEASE_S, POLL_S, QUEUE, blocking, holding

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from runner.decorator import BoundJob
    from tests.cable import Cable
    from tests.chaos.ledger import Ledger
    from tests.chaos.servers import Servers
    from tests.chaos.workers import Workers

HOUR_S = 3600
_FREE_BYTES = 2_000_000


class Nemesis:
    """
    Injects faults; `faults` counts them by name, `missing` says which it cannot inject here.

    cables: each worker's connection to Redis. own: that of the nemesis, which acts as an operator.
    """

    def __init__(
        self,
        *,
        servers: Servers,
        cables: Sequence[Cable],
        own: Cable,
        workers: Workers,
        ledger: Ledger,
        dice: random.Random,
        folder: Path,
    ) -> None:
        self._servers = servers
        self._cables = cables
        self._workers = workers
        self._ledger = ledger
        self._dice = dice
        self._folder = folder
        self._redis = connect(own.url)
        self._admin = Admin(self._redis)
        self.faults: Counter[str] = Counter()
        self.missing: list[str] = []
        self._repertoire: list[tuple[Callable[[], Awaitable[None]], int]] = [
            (self._kill_worker, 4),
            (self._terminate_worker, 2),
            (self._stop_worker_past_its_lease, 2),
            (self._partition_a_worker, 3),
            (self._kill_redis, 2),
            (self._stop_redis, 2),
            (self._promote_the_replica, 2),
            (self._fill_redis, 2),
            (self._make_redis_read_only, 1),
            (self._flush_scripts, 1),
            (self._cut_connections, 3),
            (self._slow_connections, 2),
            (self._block_a_loop, 1),
            (self._hold_an_interpreter, 1),
            (self._administer, 4),
            (self._pause_queue, 1),
        ]
        if servers.clock:
            self._repertoire.append((self._set_a_workers_clock, 3))
            self._repertoire.append((self._set_the_clock_of_redis, 2))
        else:
            self.missing.append("wrong clocks, which need Linux and a C compiler")

    async def run(self, seconds: float) -> None:
        """Inject faults for *seconds*; all are repaired afterwards."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        faults, weights = zip(*self._repertoire, strict=True)
        while loop.time() < until:
            await asyncio.sleep(self._dice.uniform(0.2, 1.5))
            fault = self._dice.choices(faults, weights)[0]
            self.faults[fault.__name__.replace("_", " ").strip()] += 1
            try:
                await fault()
            except (RedisError, OSError) as error:
                self.faults[f"(an action that failed: {type(error).__name__})"] += 1
        for clock in self._workers.clocks:
            clock.set(0)

    async def close(self) -> None:
        """Close the connection to Redis."""
        await self._redis.aclose()

    def _victim(self) -> asyncio.subprocess.Process:
        return self._dice.choice(self._workers.processes)

    async def _kill_worker(self) -> None:
        victim = self._victim()
        self._workers.send(victim, signal.SIGKILL)
        self._ledger.note("killed", detail=victim.pid)

    async def _terminate_worker(self) -> None:
        self._workers.send(self._victim(), signal.SIGTERM)

    async def _stop_worker_past_its_lease(self) -> None:
        victim = self._victim()
        self._workers.send(victim, signal.SIGSTOP)
        await asyncio.sleep(LEASE_S * 1.4)
        self._workers.send(victim, signal.SIGCONT)

    async def _partition_a_worker(self) -> None:
        """Let a worker and Redis hear nothing of each other, or Redis hear the worker only."""
        cable = self._dice.choice(self._cables)
        if self._dice.random() < 0.3:
            cable.deaf = True
        else:
            cable.mute()
        await asyncio.sleep(self._dice.uniform(0.5, LEASE_S * 2.5))
        # Half of the time what was held back arrives now, after all.
        if self._dice.random() < 0.5:
            cable.end_connections()
        cable.mend()

    async def _kill_redis(self) -> None:
        self._ledger.note("away")
        await asyncio.to_thread(self._servers.restart, self._dice.uniform(0.0, 1.5))
        await self._back()

    async def _stop_redis(self) -> None:
        self._ledger.note("away")
        self._servers.primary.pause()
        await asyncio.sleep(self._dice.uniform(0.5, LEASE_S * 1.3))
        self._servers.primary.resume()
        await self._back()

    async def _promote_the_replica(self) -> None:
        self._ledger.note("away")
        behind_s = self._dice.choice((0.0, self._dice.uniform(0.1, 1.5)))
        if not await asyncio.to_thread(self._servers.promote, behind_s):
            self.faults["(a replica that was not in step, and not promoted)"] += 1
        await self._back()

    async def _fill_redis(self) -> None:
        """Leave Redis some memory, which soon is full, and free it again."""
        self._ledger.note("away")
        await asyncio.to_thread(self._limit_memory, _FREE_BYTES)
        try:
            await asyncio.sleep(self._dice.uniform(1.0, LEASE_S * 2))
        finally:
            await asyncio.to_thread(self._limit_memory, None)
        await self._back()

    def _limit_memory(self, free: int | None) -> None:
        with self._servers.client() as client:
            info: Any = client.info("memory")
            client.config_set("maxmemory", 0 if free is None else info["used_memory"] + free)

    async def _make_redis_read_only(self) -> None:
        """Let it take itself for the replica of a server that is not there."""
        self._ledger.note("away")
        await asyncio.to_thread(self._servers.follow, "127.0.0.1", "1")
        try:
            await asyncio.sleep(self._dice.uniform(0.1, LEASE_S * 1.3))
        finally:
            await asyncio.to_thread(self._servers.follow, "NO", "ONE")
        await self._back()

    async def _flush_scripts(self) -> None:
        for _ in range(100):
            await self._redis.script_flush()
            await asyncio.sleep(0.005)

    async def _set_the_clock_of_redis(self) -> None:
        """Set it by an hour, let a poll notice, and set it right."""
        self._ledger.note("away")
        clock = self._servers.clock
        assert clock is not None
        for offset_s in (self._dice.choice((-HOUR_S, HOUR_S)), 0):
            clock.set(offset_s)
            await asyncio.sleep(POLL_S + 2.0)
        await self._back()

    async def _set_a_workers_clock(self) -> None:
        clock = self._dice.choice(self._workers.clocks)
        clock.set(self._dice.choice((-HOUR_S, 0, HOUR_S)))

    async def _back(self) -> None:
        """Wait until the workers have reconnected: at most their longest retry pause."""
        await asyncio.sleep(3.0)
        self._ledger.note("back")

    async def _cut_connections(self) -> None:
        self._ledger.note("away")
        for _ in range(self._dice.randint(1, 4)):
            for cable in self._cables:
                cable.end_connections()
            await asyncio.sleep(0.1)
        self._ledger.note("back")

    async def _slow_connections(self) -> None:
        self._ledger.note("away")
        delay_s = self._dice.uniform(0.05, 0.3)
        for cable in self._cables:
            cable.slow_s = delay_s
        await asyncio.sleep(1.5)
        for cable in self._cables:
            cable.slow_s = 0.0
        self._ledger.note("back")

    async def _block_a_loop(self) -> None:
        await self._enqueue(blocking.options(), seconds=self._dice.uniform(0.7, 3.5))

    async def _hold_an_interpreter(self) -> None:
        """Once, or each time that the job runs: then it is poison."""
        flag = str(self._folder / f"held-{self._dice.randrange(10**9)}")
        await self._enqueue(holding.options(), flag=self._dice.choice((flag, flag, "")))

    async def _enqueue(self, bound: BoundJob[..., None], **kwargs: Any) -> None:
        request = bound.request((), kwargs)
        self._ledger.note("sent", request.job_id)
        await self._redis.enqueuer.put(request)
        self._ledger.note("acknowledged", request.job_id, detail=0)

    async def _administer(self) -> None:
        """Act as an operator: retry, bury and delete, one job at a time."""
        key = ARQ.queue_key(QUEUE)
        dead = await self._redis.zrange(key + DEAD_SUFFIX, 0, 20)
        waiting = await self._redis.zrange(key, 0, 40)
        for job_id in self._dice.sample(dead, min(3, len(dead))):
            await self._admin.run_now(QUEUE, job_id.decode())
        if waiting:
            await self._admin.bury(QUEUE, self._dice.choice(waiting).decode())
            victim = self._dice.choice(waiting).decode()
            self._ledger.note("deleting", victim)
            if await self._admin.delete(QUEUE, victim) in {Found.RUNNING, Found.GONE}:
                self._ledger.note("spared", victim)

    async def _pause_queue(self) -> None:
        self._ledger.note("away")
        await self._admin.pause(QUEUE, by="nemesis")
        try:
            await asyncio.sleep(1.0)
        finally:
            await self._admin.resume(QUEUE)
            self._ledger.note("back")
