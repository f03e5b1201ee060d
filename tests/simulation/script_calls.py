"""
Random calls of every script, made from what `fields` declares of it.

A value is drawn by its field's name, type and meaning, from few values, so that calls meet each
other's jobs, tokens, batches and ticks. A script or a field that is new is called as well.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, get_type_hints

from runner.broker import keys, scripts

if TYPE_CHECKING:
    from random import Random

    from runner.broker.scripts import Script
    from tests.simulation.compared import Pair

QUEUES = ("mail", "post")
IDS = tuple(f"job{n}" for n in range(7))
LONG_MS = 20_000_000
"""The shortest time to live: a real server would need hours to notice that it has passed."""

_QUOTED = re.compile(r"'([^']*)'")
_TIME = re.compile(r"redis\.call\(\s*(['\"])TIME\1\s*\)", re.IGNORECASE)
_KEY = re.compile(r"KEYS\[(\d+)\]")


def text_with_time_given(script: Script) -> str:
    """
    Return a script's text, reading the time from a key, which is the same on both servers.

    A stream's entries have one id: the first is there, and any other comes too late.
    """
    text = _TIME.sub("redis.call('HMGET', 'fuzz:now', 's', 'us')", script.text())
    return text.replace("'*'", "'1-1'")


class ScriptCalls:
    """Draws histories of script calls for a pair of servers."""

    def __init__(self, pair: Pair, chance: Random) -> None:
        self._pair = pair
        self._chance = chance
        self._texts = {name: text_with_time_given(one) for name, one in scripts.SCRIPTS.items()}
        self._tokens: list[str] = ["w0:0"]
        self._claims = 0

    def history(self, calls: int) -> None:
        """Run one history on both, and compare replies and what is left."""
        self._pair.begin()
        self._pair.move_clock(self._chance.randrange(1_000_000))
        names = list(self._texts)
        # Most calls make jobs and take them on; the rest meets these.
        weights = [6 if name in {"enqueue", "claim", "settle"} else 2 for name in names]
        for _ in range(calls):
            self._move()
            if self._chance.random() < 0.2:
                self._interfere()
            else:
                self._call(self._chance.choices(names, weights)[0])
        self._pair.compare_contents()

    def _move(self) -> None:
        chance = self._chance.random()
        if chance < 0.4:
            self._pair.move_clock(self._chance.randrange(1, 3000))
        elif chance < 0.55:
            by = self._chance.choice((LONG_MS // 2, LONG_MS, LONG_MS + 1, LONG_MS + 3, 5 * LONG_MS))
            self._pair.move_clock(by * 1000)
        elif chance < 0.57:
            self._pair.move_clock(-self._chance.randrange(LONG_MS * 1000))

    def _interfere(self) -> None:
        """Be an operator, a stock arq worker or client, or a server in trouble."""
        from runner.simulation.redis import Trouble

        queue, job = keys.ARQ.queue_key(self._chance.choice(QUEUES)), self._chance.choice(IDS)
        running = sorted(self._pair.redis.db.hash(f"{queue}:running".encode()) or {})
        held = self._chance.choice(running) if running else job
        now_ms = self._pair.now_us // 1000
        acts: tuple[tuple[Any, ...], ...] = (
            ("PSETEX", f"arq:in-progress:{job}", LONG_MS, "1"),
            ("DEL", b"arq:in-progress:" + (held if isinstance(held, bytes) else held.encode())),
            ("SET", f"arq:job:{job}", b"\x80\x04 no JSON"),
            ("SET", f"arq:job:{job}", b'{"f":"x","b":"b1"}', "PX", 3 * LONG_MS),
            ("ZADD", queue, now_ms - 5, job),
            ("ZADD", queue, self._number(), job),
            ("ZINCRBY", queue, 4000, job),
            ("ZREM", queue, job),
            ("ZADD", "arq:abort", now_ms, job),
            ("INCR", f"arq:retry:{job}"),
            ("SET", f"{queue}:paused", "1"),
            ("DEL", f"{queue}:paused"),
            ("DEL", f"{queue}:paused"),
            ("DEL", f"arq:result:{job}", f"arq:job:{job}"),
            ("HSET", f"{queue}:unknown", job, "no_such_job"),
            ("SET", f"arq:result:{job}", "1"),
            ("FLUSHALL",),
        )
        chosen = self._chance.randrange(len(acts) + 3)
        if chosen < len(acts):
            if acts[chosen] != ("FLUSHALL",) or self._chance.random() < 0.1:
                self._pair.run(*acts[chosen])
                if acts[chosen] == ("FLUSHALL",):
                    self._pair.move_clock(1)
        else:
            self._pair.trouble((None, Trouble.FULL, Trouble.READ_ONLY)[chosen - len(acts)])
            for _ in range(self._chance.randrange(4)):
                self._call(self._chance.choice(list(self._texts)))
            self._pair.trouble(None)

    def _call(self, name: str) -> None:
        script, text = scripts.SCRIPTS[name], self._texts[name]
        head = self._block(script.head) if script.head else {}
        blocks = self._blocks(script, head)
        queue = str(head.get("queue") or self._chance.choice(QUEUES))
        named = self._named(script, text, keys.ARQ.queue_key(queue))
        args = [*head.values(), *blocks, *self._tail(script)]
        if self._chance.random() < 0.01:
            del args[-1:]
        reply = self._pair.run("EVAL", text, len(named), *named, *args)
        if "token" in head and isinstance(reply, list):
            self._tokens = [*self._tokens[-5:], str(head["token"])]

    def _named(self, script: Script, text: str, queue_key: str) -> list[str]:
        """Return keys as many as the script names: the base second, where it makes names."""
        count = max(map(int, _KEY.findall(text)), default=0)
        if "#KEYS" in text or "ipairs(KEYS)" in text:
            count += self._chance.randrange(1, 5)
        named = [self._key(n) for n in range(count)]
        if script.head is not None and count <= 2:
            named[0] = queue_key
        if "KEYS[2]" in text:
            named[1] = keys.ARQ.base
        return named

    def _key(self, n: int) -> str:
        return self._chance.choice(
            (f"fuzz:{n}", f"fuzz:{n}", f"arq:history:{self._chance.choice(IDS)}")
        )

    def _blocks(self, script: Script, head: dict[str, Any]) -> list[Any]:
        """Blocks in the order of their declaration, as the head says by a name or a number."""
        sent: list[Any] = []
        named = [name for name in script.blocks if name.lower() in map(str, head.values())]
        told = {
            quoted for field in _meanings(script.head).values() for quoted in _QUOTED.findall(field)
        }
        for name, block in script.blocks.items():
            if (named and name not in named) or (not named and name.lower() in told):
                continue
            count = self._chance.choice((0, 1, 1, 1, 2, 3))
            if name.lower() in head:
                head[name.lower()] = count
            for _ in range(count):
                fields = self._block(block)
                sent += fields.values()
                for _ in range(2 * int(fields.get("counts", 0))):
                    sent.append(self._chance.randrange(1, 9))
        return sent

    def _tail(self, script: Script) -> list[Any]:
        """What follows a head without blocks: ids and tokens, and '' between."""
        if script.blocks or script.head is None:
            return []
        pool = (*IDS, *self._tokens[-3:], "")
        return [self._chance.choice(pool) for _ in range(self._chance.choice((0, 0, 1, 2, 3)))]

    def _block(self, declared: type[Any]) -> dict[str, Any]:
        hints = get_type_hints(declared)
        meanings = _meanings(declared)
        defaults = declared._field_defaults
        return {
            name: self._value(name, hints[name], meanings.get(name, ""), defaults)
            for name in declared._fields
        }

    def _value(self, name: str, kind: Any, meaning: str, defaults: dict[str, Any]) -> Any:
        if name in defaults and self._chance.random() < 0.3:
            return defaults[name]
        quoted = [word for word in _QUOTED.findall(meaning) if word or kind is str]
        if quoted and name not in {"id", "token"}:
            return self._chance.choice(quoted)
        pools: dict[str, Any] = {
            "id": lambda: self._chance.choice(IDS),
            "token": self._token,
            "worker_id": lambda: f"w{self._chance.randrange(3)}",
            "queue": lambda: self._chance.choice(QUEUES),
            "target": lambda: self._chance.choice(QUEUES),
            "batch": lambda: self._chance.choice(("", "b1", "b2")),
            "schedule": lambda: self._chance.choice(("", "", "hourly")),
            "limit": lambda: self._chance.choice((1, 1, 2, 5, 100)),
            "counts": lambda: self._chance.randrange(3),
            "number": lambda: self._chance.randrange(5),
            "spent": lambda: self._chance.choice((0, 0, 1, 2)),
        }
        if name in pools:
            return pools[name]()
        if name.endswith("_key"):
            return keys.ARQ.queue_key(self._chance.choice(QUEUES))
        if re.search(r"(^|_)m?s$", name):
            return self._length(name)
        return (
            self._chance.randrange(4)
            if kind is int
            else self._chance.choice(
                ('{"f":"x","b":"b1"}', '{"f":"y"}', "[1,2.5]", "", "x", '{"b":3}')
            )
        )

    def _token(self) -> str:
        held = [
            token.decode().partition("|")[0]
            for queue in QUEUES
            for token in (
                self._pair.redis.db.hash(f"{keys.ARQ.queue_key(queue)}:running".encode()) or {}
            ).values()
        ]
        if held and self._chance.random() < 0.6:
            return self._chance.choice(held)
        if self._chance.random() < 0.5:
            return self._chance.choice(self._tokens)
        self._claims += 1
        return f"w{self._chance.randrange(3)}:{self._claims}"

    def _length(self, name: str) -> Any:
        if name.endswith("_s"):
            return self._chance.choice((LONG_MS // 1000, LONG_MS, 1234567))
        return self._number()

    def _number(self) -> Any:
        """A time or a length of time in ms, at the edges of others."""
        now = self._pair.now_us / 1000
        number = self._chance.choice(
            (
                LONG_MS,
                LONG_MS,
                2 * LONG_MS,
                LONG_MS + 1,
                now,
                now - 7,
                now + 7,
                now + LONG_MS,
                -1,
                0,
                0,
            )
        )
        if isinstance(number, float):
            return self._chance.choice((int(number), f"{number:.4f}", repr(number + 0.1)))
        return self._chance.choice((number, number, number, ""))


def _meanings(declared: type[Any] | None) -> dict[str, str]:
    if declared is None:
        return {}
    hints = get_type_hints(declared, include_extras=True)
    return {
        name: hint.__metadata__[0] for name, hint in hints.items() if hasattr(hint, "__metadata__")
    }
