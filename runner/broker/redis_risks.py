"""
Whether Redis keeps what it is given: a Redis that is set up as a cache loses jobs silently.

Workers warn about it as they start; a managed Redis that hides its configuration shows less.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError, ResponseError

from runner.errors import ConfigurationError
from runner.lazy_log import lazy_log

if TYPE_CHECKING:
    from redis.asyncio import Redis

_OLDEST = (6, 2)

_log = lazy_log("runner.durability")

_logged: set[tuple[str, str]] = set()
"""Server and risk, to log each once in a process whose workers share a Redis."""


async def risks(redis: Redis) -> list[str]:
    """
    Return each way in which this Redis may lose jobs, as one line that says what to set.

    Raises:
        RedisError: Redis does not answer.
    """
    return _risks(await redis.info(), await _snapshots(redis))


async def refuse_old_server(redis: Redis) -> None:
    """
    Return if Redis is new enough, or does not say how old it is.

    Raises:
        ConfigurationError: It is too old.
        RedisError: It does not answer.
    """
    try:
        version = str((await redis.info("server")).get("redis_version", ""))
    except ResponseError:
        return
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers and (int(numbers[1]), int(numbers[2])) < _OLDEST:
        raise ConfigurationError(
            f"Redis is version {version}, and 6.2 or newer is needed: upgrade it, or name another"
        )


async def warn_of_risks(redis: Redis) -> None:
    """Log each risk once for each process and Redis. Never fails: it is only advice."""
    try:
        info = await redis.info()
        found = _risks(info, await _snapshots(redis))
    except (RedisError, OSError) as error:
        _log.info("durability of Redis is not known", error=f"{type(error).__name__}: {error}")
        return
    server = str(info.get("run_id", ""))
    for risk in found:
        if (server, risk) not in _logged:
            _logged.add((server, risk))
            _log.warning("Redis may lose jobs", risk=risk)


async def _snapshots(redis: Redis) -> str | None:
    """Return when Redis saves snapshots; None if it does not say."""
    try:
        given = await redis.config_get("save")
    except ResponseError:
        return None
    save: str | None = given.get("save")
    return save


def _risks(info: dict[str, Any], snapshots: str | None) -> list[str]:
    found = []
    policy = str(info.get("maxmemory_policy", "noeviction"))
    if int(info.get("maxmemory", 0)) and policy != "noeviction":
        found.append(
            f"it evicts keys when its memory is full (maxmemory-policy {policy}): "
            "set maxmemory-policy noeviction"
        )
    if not int(info.get("aof_enabled", 1)):
        if snapshots == "":
            found.append("it keeps nothing on disk: set appendonly yes")
        elif snapshots is not None:
            found.append(
                "it is saved to disk only now and then, and a crash loses what came since: "
                "set appendonly yes"
            )
    return found
