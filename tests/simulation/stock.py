"""Stock arq in a world: its own worker and client beside ours, on the world's clock."""

from __future__ import annotations

import asyncio
import warnings
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any
from unittest import mock
from uuid import UUID

from arq.connections import ArqRedis, RedisSettings, create_pool
from arq.worker import Retry as ArqRetry

from runner import chance, codec, wall_clock
from runner.broker import keys
from tests.simulation.ledger import ASKED_DELAY_S, QUEUE, current
from tests.simulation.schedule import TIMEOUT_S
from tests.stock_arq import StockWorker, named

if TYPE_CHECKING:
    from collections.abc import Iterator

    import arq.worker

STOCK = "stock"
"""How the names of stock arq's processes begin."""

_JSON: dict[str, Any] = {"job_serializer": codec.dumps, "job_deserializer": codec.loads}
_SETTINGS = RedisSettings(host="world", conn_retries=30, conn_retry_delay=1)


@contextmanager
def on_the_worlds_clock() -> Iterator[None]:
    """Let arq read the world's clock, and draw its ids from the world's chance, inside."""

    def time() -> float:
        return wall_clock.now_ms() / 1000

    def uuid4() -> UUID:
        return UUID(chance.new_id())

    class Datetime(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Datetime:
            return cls.fromtimestamp(time(), tz or UTC)

    with (
        warnings.catch_warnings(),
        mock.patch("arq.worker.datetime", Datetime),
        mock.patch("arq.utils.time", time),
        mock.patch("arq.worker.time", time),
        mock.patch("arq.connections.uuid4", uuid4),
    ):
        # It leaves connections open when it ends by an error.
        warnings.simplefilter("ignore", ResourceWarning)
        yield


def stock_worker(slots: int) -> arq.worker.Worker:
    """Return arq's own worker for the queue of the world."""
    return StockWorker(
        [named("act", _act)],
        queue_name=keys.ARQ.queue_key(QUEUE),
        redis_settings=_SETTINGS,
        max_jobs=slots,
        job_timeout=TIMEOUT_S,
        max_tries=3,
        poll_delay=1.0,
        health_check_interval=30,
        handle_signals=False,
        **_JSON,
    )


async def stock_client() -> ArqRedis:
    """Return arq's own client."""
    return await create_pool(
        _SETTINGS,
        default_queue_name=keys.ARQ.queue_key(QUEUE),
        expires_extra_ms=86_400_000,
        **_JSON,
    )


async def _act(ctx: dict[str, Any], number: int) -> str:
    """Do what the plan says, as far as stock arq can."""
    ledger = current()
    run = ledger.begin(number, ctx["job_try"])
    try:
        if run.step == "kill":
            run.process.crash_after(1)
        await asyncio.sleep(min(ledger.plans[number].takes_s, TIMEOUT_S / 2))
    except asyncio.CancelledError:
        ledger.end(run, "cancelled")
        raise
    ledger.end(run, "ok" if run.step in {"hang", "cancel", "bury"} else run.step)
    match run.step:
        case "retry" | "wait":
            raise ArqRetry(defer=ASKED_DELAY_S)
        case "fail":
            raise ValueError("as planned")
    return f"done {number}"
