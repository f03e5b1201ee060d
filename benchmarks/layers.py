"""
`python -m benchmarks.layers [--level INFO]`: what each layer around a job costs, in µs of CPU.

Runs attempts without Redis, adding one layer of the default middleware at a time, and the other
steps of a job separately. It measures the CPU time of the process, which a busy machine affects
little, and takes the minimum of several repetitions.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

from hiredis import pack_command

from benchmarks.systems.protocol import CHANNEL_IDS
from runner import Context, chance, job
from runner.codec import decode_job, encode
from runner.enqueue import Enqueue
from runner.options import WorkerOptions
from runner.telemetry.logs import configure_logging
from runner.worker.attempt import Attempts
from runner.worker.claim import Claim
from runner.worker.event_loop import new_event_loop
from runner.worker.held import Held
from runner.worker.instruments import Instruments

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runner.middleware import Middleware

_JOBS = 20_000
_REPETITIONS = 7
_BATCH = 32


@job(queue="bench")
async def touch(ctx: Context, channel_id: str, position: int) -> None:
    """Do nothing."""


def _claims() -> list[Claim]:
    return [
        Claim(
            job_id=(job_id := chance.new_id()),
            key=job_id.encode(),
            token="host:1:abcdef:1",  # noqa: S106 -- of a claim
            body=_body(position),
            attempts_spent=0,
            crashes=0,
            due_ms=0.0,
            asked_at=0.0,
            fence=1,
            aborted=False,
        )
        for position in range(_JOBS)
    ]


def _body(position: int) -> bytes:
    kwargs = {"channel_id": CHANNEL_IDS[position % 100], "position": position}
    return Enqueue(queue="bench", job_id="-", name="touch", kwargs=kwargs).body()


async def _least_us(work: Callable[[], Awaitable[object]]) -> float:
    """Return the CPU time of *work* per job."""
    times = []
    for _ in range(_REPETITIONS):
        started = time.process_time()
        await work()
        times.append(time.process_time() - started)
    return min(times) * 1e6 / _JOBS


async def _attempts_us(stack: tuple[Middleware, ...]) -> float:
    attempts = Attempts(WorkerOptions(queue="bench"), stack, {})
    attempts.learn(touch)
    claims = _claims()

    async def work() -> None:
        task = asyncio.current_task()
        for claim in claims:
            held = Held(claim, 0, task=task)
            assert attempts.refusal(held) is None  # noqa: S101 -- it would measure a refusal
            await attempts.run(held)

    return await _least_us(work)


async def _steps() -> list[tuple[str, float]]:
    claims = _claims()
    loop = asyncio.get_running_loop()
    bodies = [claim.body or b"" for claim in claims]

    async def nothing() -> None:
        pass

    async def tasks() -> None:
        for _ in range(_JOBS // _BATCH):
            await asyncio.gather(*[loop.create_task(nothing()) for _ in range(_BATCH)])

    async def decode() -> None:
        for body in bodies:
            decode_job(body)

    now_ms = 1_800_000_000_000
    fields: dict[str, Any] = dict.fromkeys(("et", "st", "ft"), now_ms) | {
        **dict.fromkeys(("f", "q", "id"), claims[0].job_id),
        "t": 1,
        "a": [],
        "s": True,
        "r": None,
        "k": {"channel_id": CHANNEL_IDS[0], "position": 1},
    }

    async def result() -> None:
        for _ in range(_JOBS):
            encode(fields)

    outcome: list[Any] = ["done", claims[0].job_id, "host:1:abcdef:1", 3_600_000, bodies[0] * 2]

    async def pack() -> None:
        for _ in range(_JOBS // _BATCH):
            pack_command(("EVALSHA", "0" * 40, 1, "arq:queue:bench", *(outcome * _BATCH)))

    return [
        ("a task, created and awaited", await _least_us(tasks)),
        ("decode the body", await _least_us(decode)),
        ("encode the result", await _least_us(result)),
        (f"pack a settle call, 1/{_BATCH} of it", await _least_us(pack)),
    ]


async def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--level", default="WARNING", help="INFO writes lines to a file")
    parser.add_argument("--format", default="json", choices=["console", "json"])
    args = parser.parse_args()
    with tempfile.TemporaryFile("w", encoding="utf-8") as lines:
        configure_logging(args.format, args.level, stream=lines)
        await _measure()


async def _measure() -> None:
    async with Instruments.open(WorkerOptions(queue="bench")) as instruments:
        rows = await _steps()
        before = await _attempts_us(())
        rows.append(("an attempt without middleware: decode, context, call, outcome", before))
        for count in range(1, len(instruments.stack) + 1):
            stack = instruments.stack[-count:]
            whole = await _attempts_us(stack)
            rows.append((f"+ {_name(stack[0])}", whole - before))
            before = whole
        rows.append(("an attempt with all of them", before))
    for name, us in rows:
        sys.stdout.write(f"{us:7.2f}  {name}\n")


def _name(middleware: Middleware) -> str:
    return str(getattr(middleware, "__name__", type(middleware).__name__))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main())
