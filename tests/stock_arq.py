"""Stock arq, its own client and worker, with our JSON: for tests of both side by side."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import warnings
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from arq.connections import RedisSettings, create_pool
from arq.worker import Function, func

from runner import codec
from runner.on_arq.base import ArqWorker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import arq.worker
    from arq.connections import ArqRedis

StockWorker: type[arq.worker.Worker] = ArqWorker
"""As it was imported: where ours may run under arq's command, arq's own name is ours."""

_JSON: dict[str, Any] = {"job_serializer": codec.dumps, "job_deserializer": codec.loads}


def named(name: str, coroutine: Any) -> Function:
    """Return *coroutine* as a plain arq function; arq's own type accepts few signatures."""
    return func(coroutine, name=name)


@asynccontextmanager
async def stock_client(url: str, queue_key: str) -> AsyncIterator[ArqRedis]:
    """Open arq's client, whose default queue is *queue_key*."""
    client = await create_pool(
        RedisSettings.from_dsn(url), default_queue_name=queue_key, expires_extra_ms=60_000, **_JSON
    )
    try:
        yield client
    finally:
        await client.aclose()


@asynccontextmanager
async def stock_working(
    url: str, queue_key: str, functions: Sequence[Any], **options: Any
) -> AsyncIterator[arq.worker.Worker]:
    """Run arq's worker for the block; it polls twenty times a second."""
    given = {"poll_delay": 0.05, "handle_signals": False} | _JSON | options
    worker = StockWorker(
        functions,
        queue_name=queue_key,
        redis_settings=RedisSettings.from_dsn(url),
        **given,
    )
    with warnings.catch_warnings():
        # A pipeline that arq cancels half-way is not closed; that is not the test's fault.
        warnings.simplefilter("ignore", ResourceWarning)
        running = asyncio.create_task(worker.async_run())
        try:
            yield worker
        finally:
            pool = worker.pool.connection_pool
            with contextlib.suppress(asyncio.CancelledError):
                await worker.close()
            with contextlib.suppress(asyncio.CancelledError):
                await running
            # arq closes the pool while its main task may still be opening a connection of it.
            await pool.disconnect()
            gc.collect()
