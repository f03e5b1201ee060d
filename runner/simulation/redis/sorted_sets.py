"""Commands on sorted sets."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from runner.simulation.redis.arguments import (
    INT_MAX,
    NOT_INTEGER,
    SYNTAX,
    bound,
    integer,
    part,
    real,
)
from runner.simulation.redis.command import Commands
from runner.simulation.redis.reply import Reply, ReplyError
from runner.simulation.redis.scanning import cursor_of, scanned
from runner.simulation.redis.sorted_set import SortedSet

if TYPE_CHECKING:
    from runner.simulation.redis.keyspace import Keyspace

COMMANDS: Final = Commands()

_SMALL = 128
"""Members up to which Redis scans a sorted set in one page, unless one of them is long."""

NOT_A_NUMBER = ReplyError("ERR resulting score is not a number (NaN)")
_FLAGS: Final = frozenset({b"NX", b"XX", b"GT", b"LT", b"CH", b"INCR"})
_LIMIT_ALONE = ReplyError(
    "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX"
)


def _to_fill(db: Keyspace, key: bytes) -> SortedSet:
    held = db.sorted_set(key)
    if held is None:
        held = db.values[key] = SortedSet()
    return held


def _flags(args: list[bytes]) -> tuple[set[bytes], list[bytes]]:
    """Return ZADD's flags and what follows them, scores and members."""
    at = 1
    flags: set[bytes] = set()
    while at < len(args) and (word := args[at].upper()) in _FLAGS:
        flags.add(word)
        at += 1
    rest = args[at:]
    if not rest or len(rest) % 2:
        raise SYNTAX
    if {b"NX", b"XX"} <= flags:
        raise ReplyError("ERR XX and NX options at the same time are not compatible")
    if len(flags & {b"NX", b"GT", b"LT"}) > 1:
        raise ReplyError("ERR GT, LT, and/or NX options at the same time are not compatible")
    if b"INCR" in flags and len(rest) > 2:  # noqa: PLR2004 -- one score, one member
        raise ReplyError("ERR INCR option supports a single increment-element pair")
    return flags, rest


def _allowed(flags: set[bytes], before: float | None, score: float) -> bool:
    if before is None:
        return b"XX" not in flags
    if b"NX" in flags:
        return False
    if b"GT" in flags:
        return score > before
    return score < before if b"LT" in flags else True


@COMMANDS.grow("ZADD", -4)
def zadd(db: Keyspace, args: list[bytes]) -> Reply:
    """ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member..."""
    flags, rest = _flags(args)
    scores = [real(text) for text in rest[::2]]
    held = db.sorted_set(args[0])
    if held is None and b"XX" in flags:
        return None if b"INCR" in flags else 0
    held = _to_fill(db, args[0])
    added = updated = 0
    score: float | None = None
    for given, member in zip(scores, rest[1::2], strict=True):
        before = held.scores.get(member)
        score = given if before is None or b"INCR" not in flags else before + given
        if math.isnan(score):
            raise NOT_A_NUMBER
        if not _allowed(flags, before, score):
            score = None
            continue
        # Since 7.0 whole scores are stored as integers, which know no -0.
        held.put(member, score + 0.0 if db.modern else score)
        added += before is None
        updated += before is not None and before != score
    if added or updated:
        db.changed(args[0])
    if b"INCR" in flags:
        return None if score is None else db.score_text(score)
    return added + updated if b"CH" in flags else added


@COMMANDS.grow("ZINCRBY", 4)
def zincrby(db: Keyspace, args: list[bytes]) -> Reply:
    """ZINCRBY key increment member."""
    return zadd(db, [args[0], b"INCR", args[1], args[2]])


@COMMANDS.shrink("ZREM", -3)
def zrem(db: Keyspace, args: list[bytes]) -> Reply:
    """ZREM key member..."""
    held = db.sorted_set(args[0])
    if held is None:
        return 0
    removed = sum(held.discard(member) for member in args[1:])
    if removed:
        db.after_removal(args[0], held)
    return removed


@COMMANDS.read("ZSCORE", 3)
def zscore(db: Keyspace, args: list[bytes]) -> Reply:
    """ZSCORE key member."""
    held = db.sorted_set(args[0])
    score = None if held is None else held.scores.get(args[1])
    return None if score is None else db.score_text(score)


@COMMANDS.read("ZMSCORE", -3)
def zmscore(db: Keyspace, args: list[bytes]) -> Reply:
    """ZMSCORE key member..."""
    held = db.sorted_set(args[0])
    scores = {} if held is None else held.scores
    found = [scores.get(member) for member in args[1:]]
    return [None if score is None else db.score_text(score) for score in found]


@COMMANDS.read("ZCARD", 2)
def zcard(db: Keyspace, args: list[bytes]) -> Reply:
    """ZCARD key."""
    return len(db.sorted_set(args[0]) or ())


@COMMANDS.read("ZCOUNT", 4)
def zcount(db: Keyspace, args: list[bytes]) -> Reply:
    """ZCOUNT key min max."""
    least, most = bound(args[1]), bound(args[2])
    held = db.sorted_set(args[0])
    if held is None:
        return 0
    start, stop = held.between(least, most)
    return stop - start


def _rank(db: Keyspace, args: list[bytes], *, reverse: bool) -> Reply:
    held = db.sorted_set(args[0])
    rank = None if held is None else held.rank(args[1])
    if held is None or rank is None:
        return None
    return len(held) - 1 - rank if reverse else rank


@COMMANDS.read("ZRANK", 3)
def zrank(db: Keyspace, args: list[bytes]) -> Reply:
    """ZRANK key member."""
    return _rank(db, args, reverse=False)


@COMMANDS.read("ZREVRANK", 3)
def zrevrank(db: Keyspace, args: list[bytes]) -> Reply:
    """ZREVRANK key member."""
    return _rank(db, args, reverse=True)


class _Range(NamedTuple):
    """What a command of the ZRANGE kind asks for."""

    by_score: bool = False
    reverse: bool = False
    with_scores: bool = False
    limit: tuple[int, int] | None = None


@lru_cache(maxsize=256)
def _range_options(words: tuple[bytes, ...], given: _Range, *, unified: bool) -> _Range:
    """Read the options behind a range; *unified*: also those that ZRANGE alone has."""
    at = 0
    while at < len(words):
        word = words[at].upper()
        at += 1
        if word == b"WITHSCORES":
            given = given._replace(with_scores=True)
        elif word == b"LIMIT" and at + 1 < len(words) and (unified or given.by_score):
            given = given._replace(limit=(integer(words[at]), integer(words[at + 1])))
            at += 2
        elif word == b"BYSCORE" and unified:
            given = given._replace(by_score=True)
        elif word == b"REV" and unified:
            given = given._replace(reverse=True)
        elif word == b"BYLEX" and unified:
            raise ReplyError("ERR the simulated Redis does not know BYLEX")
        else:
            raise SYNTAX
    if given.limit is not None and not given.by_score:
        # Redis takes a limit of -1 for none.
        if given.limit[1] != -1:
            raise _LIMIT_ALONE
        given = given._replace(limit=None)
    return given


def _ranged(db: Keyspace, args: list[bytes], given: _Range) -> Reply:
    if given.by_score:
        bounds = bound(args[1]), bound(args[2])
        least, most = bounds[::-1] if given.reverse else bounds
        held = db.sorted_set(args[0])
        if held is None:
            return []
        start, stop = held.between(least, most)
        found = held.ordered[start:stop]
        if given.reverse:
            found.reverse()
        if given.limit:
            found = _limited(found, *given.limit)
    else:
        first, last = integer(args[1]), integer(args[2])
        held = db.sorted_set(args[0])
        if held is None:
            return []
        start, stop = part(first, last, len(held))
        if given.reverse:
            start, stop = len(held) - stop, len(held) - start
        found = held.ordered[start:stop] if start < stop else []
        if given.reverse:
            found.reverse()
    if not given.with_scores:
        return [member for _, member in found]
    text = db.score_text
    return [part for score, member in found for part in (member, text(score))]


def _limited(
    found: list[tuple[float, bytes]], offset: int, count: int
) -> list[tuple[float, bytes]]:
    if offset < 0:
        return []
    return found[offset:] if count < 0 else found[offset : offset + count]


@COMMANDS.read("ZRANGE", -4)
def zrange(db: Keyspace, args: list[bytes]) -> Reply:
    """ZRANGE key start stop [BYSCORE] [REV] [LIMIT offset count] [WITHSCORES]."""
    return _ranged(db, args, _range_options((*args[3:],), _Range(), unified=True))


@COMMANDS.read("ZREVRANGE", -4)
def zrevrange(db: Keyspace, args: list[bytes]) -> Reply:
    """ZREVRANGE key start stop [WITHSCORES]."""
    return _ranged(db, args, _range_options((*args[3:],), _Range(reverse=True), unified=False))


@COMMANDS.read("ZRANGEBYSCORE", -4)
def zrangebyscore(db: Keyspace, args: list[bytes]) -> Reply:
    """ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]."""
    given = _Range(by_score=True)
    return _ranged(db, args, _range_options((*args[3:],), given, unified=False))


@COMMANDS.read("ZREVRANGEBYSCORE", -4)
def zrevrangebyscore(db: Keyspace, args: list[bytes]) -> Reply:
    """ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]."""
    given = _Range(by_score=True, reverse=True)
    return _ranged(db, args, _range_options((*args[3:],), given, unified=False))


def _remove_part(db: Keyspace, key: bytes, held: SortedSet, start: int, stop: int) -> int:
    gone = held.ordered[start:stop]
    del held.ordered[start:stop]
    for _, member in gone:
        del held.scores[member]
    if gone:
        db.after_removal(key, held)
    return len(gone)


@COMMANDS.shrink("ZREMRANGEBYSCORE", 4)
def zremrangebyscore(db: Keyspace, args: list[bytes]) -> Reply:
    """ZREMRANGEBYSCORE key min max."""
    least, most = bound(args[1]), bound(args[2])
    held = db.sorted_set(args[0])
    if held is None:
        return 0
    return _remove_part(db, args[0], held, *held.between(least, most))


@COMMANDS.shrink("ZREMRANGEBYRANK", 4)
def zremrangebyrank(db: Keyspace, args: list[bytes]) -> Reply:
    """ZREMRANGEBYRANK key start stop."""
    first, last = integer(args[1]), integer(args[2])
    held = db.sorted_set(args[0])
    if held is None:
        return 0
    return _remove_part(db, args[0], held, *part(first, last, len(held)))


def _popped(db: Keyspace, args: list[bytes], *, greatest: bool) -> Reply:
    if len(args) > 2:  # noqa: PLR2004 -- a key and a count
        raise SYNTAX
    error = NOT_INTEGER
    if db.modern:
        error = ReplyError("ERR value is out of range, must be positive")
    count = integer(args[1], error) if len(args) > 1 else 1
    if count < 0 and db.modern:
        raise error
    if count <= 0 and not db.modern:
        return []
    held = db.sorted_set(args[0])
    if held is None:
        return []
    most = min(max(count, 0), len(held))
    start, stop = (len(held) - most, len(held)) if greatest else (0, most)
    gone = held.ordered[start:stop]
    _remove_part(db, args[0], held, start, stop)
    if greatest:
        gone.reverse()
    return [part for score, member in gone for part in (member, db.score_text(score))]


@COMMANDS.shrink("ZPOPMIN", -2)
def zpopmin(db: Keyspace, args: list[bytes]) -> Reply:
    """ZPOPMIN key [count]."""
    return _popped(db, args, greatest=False)


@COMMANDS.shrink("ZPOPMAX", -2)
def zpopmax(db: Keyspace, args: list[bytes]) -> Reply:
    """ZPOPMAX key [count]."""
    return _popped(db, args, greatest=True)


@COMMANDS.read("ZSCAN", -3)
def zscan(db: Keyspace, args: list[bytes]) -> Reply:
    """ZSCAN key cursor [MATCH pattern] [COUNT count]."""
    start = cursor_of(args[1])
    held = db.sorted_set(args[0])
    scores = {} if held is None else held.scores
    names = None if held is None else [member for _, member in held.ordered]
    cursor, page = scanned(names, start, args[2:], whole=len(scores) <= _SMALL)
    return [cursor, [part for name in page for part in (name, _scanned_score(db, scores[name]))]]


def _scanned_score(db: Keyspace, score: float) -> bytes:
    """Whole scores are scanned as they are stored since 7.0: as integers of any length."""
    if db.modern and score.is_integer() and abs(score) < INT_MAX / 2:
        return b"%d" % score
    return db.score_text(score)
