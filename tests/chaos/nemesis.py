"""The nemesis injects random faults, one at a time, each repaired before the next."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import Counter
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from runner import connect
from runner.admin import Admin, Found
from runner.broker.keys import DEAD_SUFFIX, queue_key
from tests.chaos.workload import LEASE_S, QUEUE, blocking

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.chaos.ledger import Ledger
    from tests.chaos.proxy import Proxy
    from tests.redis_server import RedisServer


class Workers:
    """Worker processes; one that dies is restarted, as by a supervisor."""

    def __init__(self, count: int, url: str, ledger: Path) -> None:
        self._command = [sys.executable, "-m", "tests.chaos.workload", url, str(ledger)]
        self._count = count
        self._ending = False
        self.processes: list[asyncio.subprocess.Process] = []
        self._keepers: list[asyncio.Task[None]] = []
        self.exits: Counter[int] = Counter()

    async def start(self) -> None:
        """Start all workers."""
        for slot in range(self._count):
            self.processes.append(await asyncio.create_subprocess_exec(*self._command))
            self._keepers.append(asyncio.create_task(self._keep(slot)))

    async def stop(self) -> None:
        """Stop all workers gracefully, and wait."""
        self._ending = True
        for process in self.processes:
            self.send(process, signal.SIGTERM)
        await asyncio.gather(*self._keepers)

    @staticmethod
    def send(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
        """Send a signal to a process that may be gone."""
        if process.returncode is None:
            process.send_signal(number)

    async def _keep(self, slot: int) -> None:
        while True:
            code = await self.processes[slot].wait()
            self.exits[code] += 1
            if self._ending:
                return
            self.processes[slot] = await asyncio.create_subprocess_exec(*self._command)


class Nemesis:
    """Injects faults; `faults` counts them by name."""

    def __init__(
        self,
        *,
        server: RedisServer,
        proxy: Proxy,
        workers: Workers,
        ledger: Ledger,
        dice: random.Random,
    ) -> None:
        self._server = server
        self._proxy = proxy
        self._workers = workers
        self._ledger = ledger
        self._dice = dice
        self._redis = connect(server.url)
        self._admin = Admin(self._redis)
        self.faults: Counter[str] = Counter()
        self._repertoire: list[tuple[Callable[[], Awaitable[None]], int]] = [
            (self._kill_worker, 4),
            (self._terminate_worker, 2),
            (self._stop_worker_past_its_lease, 2),
            (self._kill_redis, 2),
            (self._stop_redis, 2),
            (self._cut_connections, 3),
            (self._slow_connections, 2),
            (self._block_a_loop, 1),
            (self._administer, 4),
            (self._pause_queue, 1),
        ]

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

    async def _kill_redis(self) -> None:
        self._ledger.note("away")
        await asyncio.to_thread(self._server.kill)
        await asyncio.sleep(self._dice.uniform(0.0, 1.5))
        await asyncio.to_thread(self._server.start)
        await self._back()

    async def _stop_redis(self) -> None:
        self._ledger.note("away")
        self._server.pause()
        await asyncio.sleep(self._dice.uniform(0.5, LEASE_S * 1.3))
        self._server.resume()
        await self._back()

    async def _back(self) -> None:
        """Wait until the workers have reconnected: at most their longest retry pause."""
        await asyncio.sleep(3.0)
        self._ledger.note("back")

    async def _cut_connections(self) -> None:
        self._ledger.note("away")
        for _ in range(self._dice.randint(1, 4)):
            self._proxy.cut()
            await asyncio.sleep(0.1)
        self._ledger.note("back")

    async def _slow_connections(self) -> None:
        self._ledger.note("away")
        self._proxy.delay_s = self._dice.uniform(0.05, 0.3)
        await asyncio.sleep(1.5)
        self._proxy.delay_s = 0.0
        self._ledger.note("back")

    async def _block_a_loop(self) -> None:
        request = blocking.options().request((), {"seconds": self._dice.uniform(0.7, 3.5)})
        self._ledger.note("sent", request.job_id)
        await self._redis.enqueuer.put(request)
        self._ledger.note("acknowledged", request.job_id)

    async def _administer(self) -> None:
        """Act as an operator: retry, bury and delete, one job at a time."""
        key = queue_key(QUEUE)
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
        await asyncio.sleep(1.0)
        await self._admin.resume(QUEUE)
        self._ledger.note("back")
