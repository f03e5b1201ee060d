"""
Which keys an act names to Redis: nonsense in another key cannot change what it does.

With it the tests of hostile keys try each act beside the keys that it asks for, and not beside all.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from redis import Redis

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_LOOKS_FOR_ALL = {b"scan", b"keys"}


@contextmanager
def asked_keys(url: str) -> Iterator[set[bytes]]:
    """
    Give a set that holds, after the block, each word that reached Redis in it.

    MONITOR shows the calls of scripts, too. It holds `*` where something looked for keys.
    """
    words: set[bytes] = set()
    mark = uuid4().hex.encode()
    with Redis.from_url(url) as client:
        watching = client.connection_pool.get_connection()
        try:
            watching.send_command("MONITOR")
            watching.read_response()
            yield words
            client.echo(mark)
            while True:
                found = _WORD.findall(watching.read_response())
                if mark in found:
                    return
                words.update(found)
                if found and found[0].lower() in _LOOKS_FOR_ALL:
                    words.add(b"*")
        finally:
            watching.disconnect()
            client.connection_pool.release(watching)


def asks_for(words: Collection[bytes], keys: Collection[bytes]) -> bool:
    """Whether one of *keys* is among *words*, or all keys were looked for."""
    return b"*" in words or any(key in words for key in keys)
