"""`pipeline doctor`: which keys of `SECRET_KEYS` jobs still need."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from runner import clock
from runner.broker import keys
from runner.errors import ConfigurationError
from runner.sealing import VARIABLE, VERSION, has_keys, ring
from runner.secret import SEALED
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis.asyncio import Redis

_LOOKED_FOR_S = 1.0
_PAGE = 100
_MARK = re.compile(rb'"%b":"%b\.([0-9a-f]{8})\.' % (re.escape(SEALED).encode(), VERSION.encode()))


async def secret_concerns(redis: Redis) -> list[tuple[str, str]]:
    """Return what there is to say about the keys, each with its remedy; empty if all is well."""
    if not has_keys():
        return []
    try:
        ids = ring().ids
    except ConfigurationError as error:
        return [(str(error), "Correct it: no secret argument can be sealed or opened.")]
    sealed_by, is_complete = await _sealed_by(redis)
    return list(_concerns(ids, sealed_by, is_complete=is_complete))


def _concerns(
    ids: tuple[str, ...], sealed_by: Counter[str], *, is_complete: bool
) -> Iterator[tuple[str, str]]:
    for key_id in sealed_by.keys() - set(ids):
        text = f"{counted(sealed_by[key_id], 'job')} sealed by the key {key_id}, which is missing"
        yield text, f"Add that key to {VARIABLE}, behind the first one."
    for place, key_id in enumerate(ids[1:], 2):
        if sealed_by[key_id]:
            needs = f"{counted(sealed_by[key_id], 'job')} needing it"
            yield f"key {place} of {VARIABLE} ({key_id}): {needs}", ""
        elif is_complete:
            yield f"key {place} of {VARIABLE} ({key_id}): no job needs it", "Take it away."
        else:
            yield f"key {place} of {VARIABLE} ({key_id}): no job seen that needs it, of many", ""


async def _sealed_by(redis: Redis) -> tuple[Counter[str], bool]:
    """Return how many bodies were sealed by which key, and whether all were read."""
    found: Counter[str] = Counter()
    until = clock.monotonic() + _LOOKED_FOR_S
    cursor = 0
    while clock.monotonic() < until:
        cursor, names = await redis.scan(cursor, match=keys.of(redis).job_prefix + "*", count=_PAGE)
        for body in await redis.mget(names) if names else ():
            found.update({mark.decode() for mark in _MARK.findall(body or b"")})
        if not cursor:
            return found, True
    return found, False
