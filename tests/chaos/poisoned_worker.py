"""Workers for poison trials: jobs that kill their process, and jobs that do not."""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import signal

from runner import Context, WorkerSettings, job
from runner.telemetry.logs import configure_logging

QUEUE = "poison"
_MEMORY = 64 * 2**20


@job(queue=QUEUE)
async def harmless(_ctx: Context, seconds: float) -> None:
    """Wait, and end."""
    await asyncio.sleep(seconds)


@job(queue=QUEUE)
async def poison(_ctx: Context, seconds: float, how: str) -> None:
    """Wait, and end the process."""
    await asyncio.sleep(seconds)
    match how:
        case "exit":
            os._exit(1)
        case "crash":
            ctypes.string_at(0)
        case "memory":
            _take_all_memory()


def _take_all_memory() -> None:
    """Allocate up to a limit; then do what the kernel does when the machine has no more."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 -- not a file on a disk
        used = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + _MEMORY, used + _MEMORY))
    taken = []
    try:
        while True:
            taken.append(bytearray(2**20))
    except MemoryError:
        os.kill(os.getpid(), signal.SIGKILL)


HOW = ("exit", "crash", "memory")


class PoisonSettings(WorkerSettings):
    """As in production, with leases of a second."""

    queue = QUEUE
    jobs = (harmless, poison)
    concurrency = 10
    lease_s = 1.0
    heartbeat_s = 0.25
    idle_poll_s = 0.5
    blocked_limit_s = 0.6
    blocked_warn_s = 0.1


def work(url: str) -> None:
    """Run a worker, and leave no core file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    configure_logging("json", "CRITICAL")
    settings: type[WorkerSettings] = type("Settings", (PoisonSettings,), {"redis": url})
    one = settings.worker()
    one.cron_jobs = []
    one.run()
