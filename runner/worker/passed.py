"""Reads what the nodes of a flow have passed on, before a job starts that needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.broker import keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from runner.broker.outage import Outage


class PassedOn:
    """Reads them from one Redis; waits while that is away."""

    def __init__(self, redis: Redis, outage: Outage) -> None:
        self._redis = redis
        self._outage = outage

    async def fetch(self, flow_id: str, names: Sequence[str]) -> list[bytes | None]:
        """Return what stands under *names*; None for each that is not there."""
        if not names:
            return []
        key = f"{keys.of(self._redis).batch_prefix}{flow_id}:results"

        async def read() -> list[bytes | None]:
            found: list[bytes | None] = await self._redis.hmget(key, [*names])  # type: ignore[misc]  # redis-py's own hints: sync or async
            return found

        return await self._outage.call(read)
