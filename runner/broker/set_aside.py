"""
Keys that hold what is not ours are set aside: renamed, with all they hold, for 30 days.

Scripts do that themselves when they meet one. This is for commands outside scripts, for the poller,
which looks at each poll, and for an operator. The next heartbeat of any worker logs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from redis.exceptions import ResponseError

from runner.broker import key_types, keys
from runner.broker.scripts import NOTE, SET_ASIDE
from runner.broker.scripts.fields import NoteHead

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from redis.asyncio import Redis

    from runner.broker.keys import Keys

T = TypeVar("T")

EVERY_TYPE = ""
"""In place of a type: the key goes, whatever it holds."""


def is_wrong_type(error: BaseException) -> bool:
    """Whether Redis refused a command since a key has another type than the command is for."""
    return isinstance(error, ResponseError) and "WRONGTYPE" in str(error)


async def set_aside(redis: Redis, types: Mapping[str | bytes, str]) -> list[str]:
    """
    Set those keys aside that have another type than *types* says; return them.

    Raises:
        RedisError: Redis is away, or refuses the right.
    """
    own = keys.of(redis)
    names = (own.aside, own.base, *types)
    found = await redis.eval(SET_ASIDE, len(names), *names, *types.values())  # type: ignore[misc,arg-type]  # redis-py's own hints: sync or async
    return [key.decode("utf-8", "backslashreplace") for key in found]


async def set_aside_of_queues(redis: Redis, queue_keys: Sequence[str]) -> list[str]:
    """Do so with the keys that workers of these queues share with others."""
    return await set_aside(redis, dict(key_types.of_workers(keys.of(redis), queue_keys)))


async def with_type(redis: Redis, key: str, kind: str, ask: Callable[[], Awaitable[T]]) -> T:
    """
    Return what `ask()` returns; if *key* is in its way, set it aside, and ask again.

    Raises:
        RedisError: Redis is away, or refuses the request.
    """
    try:
        return await ask()
    except ResponseError as error:
        if not is_wrong_type(error) or not await set_aside(redis, {key: kind}):
            raise
    return await ask()


async def note(redis: Redis, stream: str, most: int, fields: Mapping[str, str | int]) -> None:
    """
    Add an entry to a capped stream, which keeps about *most* of them.

    Raises:
        RedisError: Redis is away, or refuses the request.
    """
    words = [word for pair in fields.items() for word in pair]
    await redis.eval(NOTE, 2, stream, keys.of(redis).base, *NoteHead(most), *words)  # type: ignore[misc,arg-type]  # redis-py's own hints


def names_of(own: Keys, untold: Sequence[bytes]) -> list[tuple[str, str, str]]:
    """Return type, key and new name of each entry that a heartbeat brings."""
    found = []
    for entry in untold:
        kind, _, name = entry.decode("utf-8", "backslashreplace").partition("|")
        key = name.removeprefix(own.aside_prefix).partition(":")[2]
        found.append((kind, key, name))
    return found
