"""
Walking through many names in pages, as SCAN does.

A name that is there from the first page to the last is returned: names are walked in the order of
their checksums, and a cursor is the next checksum. Redis's own order differs with each start.
"""

from __future__ import annotations

import re
from zlib import crc32

from runner.simulation.redis.arguments import SYNTAX, glob, integer
from runner.simulation.redis.reply import ReplyError

_DEFAULT_COUNT = 10
_CURSOR = re.compile(rb"[-+]?[0-9]{1,20}|")


def cursor_of(text: bytes) -> int:
    """
    Return a cursor.

    Raises:
        ReplyError: It is none.
    """
    if not _CURSOR.fullmatch(text):
        raise ReplyError("ERR invalid cursor")
    return int(text or b"0") % 2**64


def scanned(
    names: list[bytes] | None, cursor: int, options: list[bytes], *, whole: bool
) -> tuple[bytes, list[bytes]]:
    """
    Return the next cursor and a page of *names*; all of them at once if *whole*, from the start.

    names: None if there is no key.

    Raises:
        ReplyError: An option is invalid.
    """
    if names is None:
        return b"0", []
    count, pattern = _options(options)
    next_cursor, page = (0, names) if whole and not cursor else _page(names, cursor, count)
    if pattern is not None:
        matches = glob(pattern).fullmatch
        page = [name for name in page if matches(name)]
    return b"%d" % next_cursor, page


def _options(options: list[bytes]) -> tuple[int, bytes | None]:
    count, pattern = _DEFAULT_COUNT, None
    for at in range(0, len(options), 2):
        if at + 1 == len(options):
            raise SYNTAX
        word, value = options[at], options[at + 1]
        if word.upper() == b"COUNT":
            count = integer(value)
            if count < 1:
                raise SYNTAX
        elif word.upper() == b"MATCH":
            pattern = value
        else:
            raise SYNTAX
    return count, pattern


def _page(names: list[bytes], cursor: int, count: int) -> tuple[int, list[bytes]]:
    ordered = sorted((crc32(name), name) for name in names)
    left = [entry for entry in ordered if entry[0] >= cursor]
    # Names of one checksum stay together: the cursor cannot point between them.
    while count < len(left) and left[count][0] == left[count - 1][0]:
        count += 1
    next_cursor = left[count][0] if count < len(left) else 0
    return next_cursor, [name for _, name in left[:count]]
