"""
`python -m benchmarks.script_calls`: what one call of a small script costs, in µs.

By the stages' own connection (`runner/broker/script_connection.py`), and by redis-py's client, one
call after the other: why the runner has a connection of its own. The least of several repetitions.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.redis_server import running_redis
from runner import connect
from runner.broker.script_connection import ScriptConnection
from runner.worker.event_loop import new_event_loop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_CALLS = 5_000
_REPETITIONS = 7
_SCRIPT = "return #ARGV"
_ARGUMENTS: Final[list[str | int | float | bytes]] = ["job", "token", 3_600_000, "result"]


async def _least_us(call: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Elapsed time and CPU time of this process, for each call."""
    times = []
    for _ in range(_REPETITIONS):
        started, cpu = time.perf_counter(), time.process_time()
        for _ in range(_CALLS):
            await call()
        times.append((time.perf_counter() - started, time.process_time() - cpu))
    elapsed, cpu = (min(one) * 1e6 / _CALLS for one in zip(*times, strict=True))
    return elapsed, cpu


async def main() -> None:
    """Measure and print a table."""
    with tempfile.TemporaryDirectory() as folder, running_redis(Path(folder)) as server:
        client = connect(server.url)
        own = ScriptConnection(client, _SCRIPT)
        registered = client.register_script(_SCRIPT)
        rows = {
            "ScriptConnection": await _least_us(lambda: own("key", _ARGUMENTS)),
            "redis-py's script": await _least_us(lambda: registered(["key"], _ARGUMENTS)),
        }
        await own.close()
        await client.aclose()
    sys.stdout.write(f"{'':20}{'elapsed':>10}{'CPU':>10}\n")
    for name, (elapsed, cpu) in rows.items():
        sys.stdout.write(f"{name:20}{elapsed:10.1f}{cpu:10.1f}\n")


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main())
