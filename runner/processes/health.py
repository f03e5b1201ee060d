"""
Health checks, and three pages that show them to probes and people.

    /livez    200 while this process answers. It runs no checks, or an outage of Redis would
              restart every process
    /readyz   200 if every check passes, else 503; one line per check, with its reason
    /healthz  the same as JSON
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from redis.exceptions import RedisError

from runner.extras import extra, lacking

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from redis.asyncio import Redis
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

CHECK_LIMIT_S = 2.0
_STALE_AFTER_INTERVALS = 3


@dataclass(frozen=True, slots=True)
class Health:
    """The result of one check: whether it passed, and why, in words."""

    ok: bool
    reason: str


class HealthCheck(Protocol):
    """One check of the system."""

    @property
    def name(self) -> str:
        """The name under which the result is shown."""
        ...

    async def check(self) -> Health:
        """Run the check. An exception counts as a failure, with that as its reason."""
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """A check's result, with its name and the milliseconds it took."""

    name: str
    ok: bool
    reason: str
    ms: float


@dataclass(frozen=True, slots=True)
class RedisAnswers:
    """Redis answers a PING."""

    redis: Redis
    name: str = "redis"

    async def check(self) -> Health:
        """Send the PING."""
        started = time.perf_counter()
        try:
            await self.redis.ping()
        except (RedisError, OSError) as error:
            return Health(ok=False, reason=f"does not answer: {error}")
        return Health(
            ok=True, reason=f"answered in {(time.perf_counter() - started) * 1000:.1f} ms"
        )


@dataclass(frozen=True, slots=True)
class QueuesHaveWorkers:
    """Each of *queues* has a live worker according to *live_workers*."""

    queues: Sequence[str]
    live_workers: Callable[[], Awaitable[Mapping[str, int]]]
    name: str = "workers"

    async def check(self) -> Health:
        """Count the live workers."""
        counts = await self.live_workers()
        without = [queue for queue in self.queues if not counts.get(queue)]
        if without:
            return Health(ok=False, reason=f"no live worker for {', '.join(without)}")
        shown = ", ".join(f"{queue} {counts[queue]}" for queue in self.queues)
        return Health(ok=True, reason=f"live workers: {shown or 'no queue to work'}")


@dataclass(frozen=True, slots=True)
class PollerIsFresh:
    """The cron poller last ran less than three of its intervals ago."""

    poll_age_s: Callable[[], Awaitable[float | None]]
    interval_s: float = 15.0
    name: str = "poller"

    async def check(self) -> Health:
        """Compare the age of the last poll, by Redis's clock, with the interval."""
        age_s = await self.poll_age_s()
        limit_s = _STALE_AFTER_INTERVALS * self.interval_s
        if age_s is None:
            return Health(ok=False, reason="has not run yet")
        reason = f"last ran {age_s:.0f} s ago"
        if age_s >= limit_s:
            return Health(ok=False, reason=f"{reason}; it should within {limit_s:g} s")
        return Health(ok=True, reason=reason)


@dataclass(frozen=True, slots=True)
class Answers:
    """Anything else, such as the database, that answers or raises when *ask* is awaited."""

    name: str
    ask: Callable[[], Awaitable[object]]

    async def check(self) -> Health:
        """Await *ask*."""
        started = time.perf_counter()
        await self.ask()
        return Health(
            ok=True, reason=f"answered in {(time.perf_counter() - started) * 1000:.1f} ms"
        )


async def find(checks: Sequence[HealthCheck], limit_s: float = CHECK_LIMIT_S) -> list[Finding]:
    """
    Run all *checks* at once; return their findings in the same order.

    This takes at most *limit_s* seconds: a check that takes longer has failed.
    """
    tasks = [asyncio.create_task(_find(check)) for check in checks]
    try:
        if tasks:
            # Not asyncio.timeout: a check that swallows its cancellation would block the answer.
            await asyncio.wait(tasks, timeout=limit_s)
    finally:
        for task in tasks:
            task.cancel()
    return [
        task.result() if task.done() and not task.cancelled() else _no_answer(check, limit_s)
        for check, task in zip(checks, tasks, strict=True)
    ]


def health_app(checks: Sequence[HealthCheck], *, limit_s: float = CHECK_LIMIT_S) -> Starlette:
    """
    Return the three pages as a Starlette application, to serve or mount.

    Raises:
        MissingExtraError: Starlette is not installed.
    """
    with extra("web", "serving health pages"):
        from starlette.applications import Starlette
        from starlette.responses import JSONResponse, PlainTextResponse
        from starlette.routing import Route
    started = time.monotonic()

    async def livez(_: Request) -> Response:
        up_s = time.monotonic() - started
        return PlainTextResponse(f"ok: process {os.getpid()} up for {up_s:.0f} s\n", headers=_FRESH)

    async def readyz(_: Request) -> Response:
        findings = await find(checks, limit_s)
        lines = [f"{'ok' if f.ok else 'failed'} {f.name}: {f.reason}\n" for f in findings]
        return PlainTextResponse("".join(lines), status_code=_status(findings), headers=_FRESH)

    async def healthz(_: Request) -> Response:
        findings = await find(checks, limit_s)
        document = {
            "ok": all(f.ok for f in findings),
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "process": {"pid": os.getpid(), "up_s": round(time.monotonic() - started, 1)},
            "checks": {
                f.name: {key: value for key, value in asdict(f).items() if key != "name"}
                for f in findings
            },
        }
        return JSONResponse(document, status_code=_status(findings), headers=_FRESH)

    return Starlette(
        routes=[Route("/livez", livez), Route("/readyz", readyz), Route("/healthz", healthz)]
    )


async def _find(check: HealthCheck) -> Finding:
    started = time.perf_counter()
    try:
        health = await check.check()
    except Exception as error:  # noqa: BLE001 -- any error is the finding
        reason = lacking("this check", error) or f"{type(error).__name__}: {error}"
        health = Health(ok=False, reason=reason)
    return Finding(check.name, health.ok, " ".join(health.reason.split()), _ms(started))


def _no_answer(check: HealthCheck, limit_s: float) -> Finding:
    return Finding(
        check.name, ok=False, reason=f"no answer within {limit_s:g} s", ms=limit_s * 1000
    )


def _ms(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)


def _status(findings: Sequence[Finding]) -> int:
    return 200 if all(finding.ok for finding in findings) else 503


_FRESH = {"Cache-Control": "no-store"}
