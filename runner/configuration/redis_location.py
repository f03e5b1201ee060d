"""Which Redis: the one of `REDIS_URL`, or a private one under the state directory."""

from __future__ import annotations

import atexit
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from runner.broker.location import location
from runner.processes.private_redis import PrivateRedis

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runner.configuration.environment import Settings


def redis_url(settings: Settings) -> str:
    """The address to use. A private Redis has one before it runs."""
    return settings.redis_url or PrivateRedis(settings.home).url


def shown_redis(settings: Settings) -> str:
    """That address without its password."""
    return location(redis_url(settings)).shown


@asynccontextmanager
async def running_redis(settings: Settings) -> AsyncIterator[str]:
    """
    Give the address. If it is the private Redis, run that for the block.

    Raises:
        PrivateRedisError: It does not start.
    """
    if settings.redis_url:
        yield settings.redis_url
        return
    async with PrivateRedis(settings.home) as private:
        _held.add(private.url)
        try:
            yield private.url
        finally:
            _held.discard(private.url)


def hold_redis(settings: Settings) -> None:
    """
    If the private Redis is used, run it until this process ends.

    For the `arq` command, which has no place for a block around its worker.

    Raises:
        PrivateRedisError: It does not start.
    """
    if settings.redis_url or redis_url(settings) in _held:
        return
    private = PrivateRedis(settings.home)
    private.start()
    _held.add(private.url)
    atexit.register(private.stop)


_held: set[str] = set()
