"""Random calls of every command on keys, with odd arguments too."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Any

from runner.simulation.redis import hashes, lists, sets, sorted_sets, streams, strings
from runner.simulation.redis.keyspace import Members
from runner.simulation.redis.sorted_set import SortedSet
from runner.simulation.redis.stream import Stream

if TYPE_CHECKING:
    from random import Random

    from tests.simulation.compared import Pair

_PART = re.compile(r"\(([^)]*)\)|(\S+?)([*+]?)(?=\s|$)")

KEY, VALUE, FIELD, INTEGER, FLOAT, BOUND, INDEX = "k", "v", "n", "i", "f", "b", "x"
LENGTH, TIME, STREAM_ID, STREAM_END, PATTERN, SIDE = "s", "T", "d", "e", "p", "side"

FORMS = {
    "GET": "k",
    "SET": "k v (NX|XX|GET|KEEPTTL|EX s|PX s|EXAT A|PXAT AA)",
    "SETEX": "k s v",
    "PSETEX": "k s v",
    "SETNX": "k v",
    "GETSET": "k v",
    "GETDEL": "k",
    "GETEX": "k (PERSIST|EX s|PX s|EXAT A|PXAT AA)",
    "MGET": "k+",
    "MSET": "k v k v",
    "MSETNX": "k v k v",
    "INCR": "k",
    "DECR": "k",
    "INCRBY": "k i",
    "DECRBY": "k i",
    "APPEND": "k v",
    "STRLEN": "k",
    "GETRANGE": "k x x",
    "HSET": "k n v n v",
    "HMSET": "k n v n v",
    "HSETNX": "k n v",
    "HGET": "k n",
    "HMGET": "k n+",
    "HGETALL": "k",
    "HKEYS": "k",
    "HVALS": "k",
    "HLEN": "k",
    "HEXISTS": "k n",
    "HSTRLEN": "k n",
    "HDEL": "k n+",
    "HINCRBY": "k n i",
    "HSCAN": "k 0 (MATCH p|COUNT i)",
    "LPUSH": "k v+",
    "RPUSH": "k v+",
    "LPUSHX": "k v+",
    "RPUSHX": "k v+",
    "LPOP": "k x",
    "RPOP": "k",
    "LLEN": "k",
    "LINDEX": "k x",
    "LRANGE": "k x x",
    "LTRIM": "k x x",
    "LSET": "k x v",
    "LREM": "k x v",
    "LMOVE": "k k side side",
    "SADD": "k n+",
    "SREM": "k n+",
    "SMEMBERS": "k",
    "SISMEMBER": "k n",
    "SMISMEMBER": "k n+",
    "SCARD": "k",
    "SSCAN": "k 0 COUNT 1000 (MATCH p)",
    "ZADD": "k (NX|XX|GT|LT|CH|INCR) f n",
    "ZINCRBY": "k f n",
    "ZREM": "k n+",
    "ZSCORE": "k n",
    "ZMSCORE": "k n+",
    "ZCARD": "k",
    "ZCOUNT": "k b b",
    "ZRANK": "k n",
    "ZREVRANK": "k n",
    "ZRANGE": "k x x (BYSCORE|REV|WITHSCORES|LIMIT x x)",
    "ZREVRANGE": "k x x (WITHSCORES)",
    "ZRANGEBYSCORE": "k b b (WITHSCORES|LIMIT x x)",
    "ZREVRANGEBYSCORE": "k b b (WITHSCORES|LIMIT x x)",
    "ZREMRANGEBYSCORE": "k b b",
    "ZREMRANGEBYRANK": "k x x",
    "ZPOPMIN": "k x",
    "ZPOPMAX": "k x",
    "ZSCAN": "k 0 (MATCH p|COUNT i)",
    "XADD": "k (NOMKSTREAM|MAXLEN x|MAXLEN ~ x|MAXLEN = x) d n v",
    "XTRIM": "k MAXLEN x",
    "XLEN": "k",
    "XRANGE": "k e e (COUNT x)",
    "XREVRANGE": "k e e (COUNT x)",
    "DEL": "k+",
    "UNLINK": "k+",
    "EXISTS": "k+",
    "TOUCH": "k+",
    "TYPE": "k",
    "EXPIRE": "k s",
    "PEXPIRE": "k s",
    "EXPIREAT": "k T",
    "PEXPIREAT": "k TT",
    "PERSIST": "k",
    "PTTL": "k",
    "TTL": "k",
    "RENAME": "k k",
    "RENAMENX": "k k",
    "COPY": "k k (REPLACE)",
    "KEYS": "p",
    "SCAN": "0 COUNT 100000 (MATCH p|TYPE kind)",
    "DBSIZE": "",
    "FLUSHALL": "(SYNC|ASYNC)",
    "FLUSHDB": "",
}
SINCE_7 = {f"{name}": "k s (NX|XX|GT|LT)" for name in ("EXPIRE", "PEXPIRE")}
KINDS = {
    bytes: strings.COMMANDS,
    dict: hashes.COMMANDS,
    deque: lists.COMMANDS,
    Members: sets.COMMANDS,
    SortedSet: sorted_sets.COMMANDS,
    Stream: streams.COMMANDS,
}
"""Which commands are for values of which type."""

RARE = frozenset({"FLUSHALL", "FLUSHDB"})

JUNK = (
    "",
    "x",
    "-0",
    "1.5",
    " 1",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "1e3",
    "nan",
    "NX",
    "(1",
    "[a",
    b"\xff\x00\r\n",
)


class PlainCalls:
    """Draws histories of plain commands for a pair of servers."""

    def __init__(self, pair: Pair, chance: Random) -> None:
        self._pair = pair
        self._chance = chance
        self._kind: type | None = None
        self._forms = FORMS | (SINCE_7 if pair.redis.modern else {})
        now_s = pair.now_us // 1_000_000
        self._pools: dict[str, tuple[Any, ...]] = {
            "k": tuple(f"key{n}" for n in range(6)),
            "v": ("a", "b", "", "7", "-3", "1.50", b"\x00\xff", "x" * 70, "12345678901234567890"),
            "n": ("f1", "f2", "f3", "4", "5", ""),
            "i": ("1", "-1", "7", "100", "0", "9223372036854775800", "-9223372036854775808"),
            "f": (
                "1",
                "-1",
                "0.1",
                "1e300",
                "3.0000000000000001",
                "inf",
                "-inf",
                "1700000000000.1234",
                ".5",
                "5.",
                "0x10",
                "+3",
                "1e-7",
                "123456789012345678",
            ),
            "b": ("-inf", "+inf", "0", "(1", "1", "(1.5", "1700000000000.1234", "5", "(inf", ""),
            "x": ("0", "1", "-1", "2", "-2", "5", "-100", "100"),
            "d": ("1-1", "2-0", "2", "3-5", "7", "0-0", "0-1", "9-9", "18446744073709551615-1"),
            "e": ("-", "+", "1", "2-0", "(2-0", "3-5", "(7", "18446744073709551615"),
            "s": ("20000", "30000000", "0", "-1", "1000000"),
            "T": ("0", "1", "-1", now_s + 10**6, now_s + 2 * 10**6),
            "TT": ("0", "1", "-1", (now_s + 10**6) * 1000, (now_s + 2 * 10**6) * 1000),
            "A": ("0", "-1", now_s + 10**6, now_s + 2 * 10**6),
            "AA": ("0", "-1", (now_s + 10**6) * 1000, (now_s + 2 * 10**6) * 1000),
            "p": (
                "*",
                "key?",
                "f[12]",
                "k*[!0]",
                "key[^1]",
                "\\*",
                "key[0-2]",
                "key[2-0]",
                "[^]*",
                "[]*",
                "[k",
                "k[\\\\e]*",
                "[k-",
                "4",
                "",
            ),
            "side": ("LEFT", "RIGHT", "left"),
            "kind": ("string", "zset", "hash", "nothing"),
        }

    def history(self, calls: int) -> None:
        """Run one history on both, and compare replies and what is left."""
        self._pair.begin()
        names = sorted(self._forms)
        for _ in range(calls):
            name = self._chance.choice(names)
            if name not in RARE or self._chance.random() < 0.02:
                self._pair.run(*self._command(name))
        self._pair.compare_contents()

    def _command(self, name: str) -> list[Any]:
        kinds = [kind for kind, commands in KINDS.items() if name.encode() in commands]
        self._kind = kinds[0] if kinds else None
        words: list[Any] = [name if self._chance.random() < 0.9 else name.lower()]
        for options, one, more in _PART.findall(self._forms[name]):
            if options:
                for option in self._chance.sample(
                    options.split("|"),
                    self._chance.choice((0, 0, 1, 1, 2)) % (options.count("|") + 2),
                ):
                    words += [self._word(word) for word in option.split()]
            else:
                words += [
                    self._word(one) for _ in range(self._chance.randrange(1, 4) if more else 1)
                ]
        # Cursors of the two servers have nothing in common.
        first = {"SCAN": 2, "HSCAN": 3, "SSCAN": 3, "ZSCAN": 3}.get(name, 1)
        chance = self._chance.random()
        if chance < 0.03:
            del words[self._chance.randrange(len(words)) or len(words) :]
        elif chance < 0.06 and len(words) > first:
            words[self._chance.randrange(first, len(words))] = self._chance.choice(JUNK)
        elif chance < 0.08:
            words.append(self._chance.choice(JUNK))
        return words

    def _word(self, kind: str) -> Any:
        if kind == "k" and self._chance.random() < 0.6:
            # Most calls are for a key of the right type, where there is one.
            values = self._pair.redis.db.values
            fitting = [key for key, value in values.items() if type(value) is self._kind]
            if fitting:
                return self._chance.choice(fitting)
        return self._chance.choice(self._pools[kind]) if kind in self._pools else kind
