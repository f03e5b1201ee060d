r"""
Readers of what stands in Redis, whoever wrote it: they give a value, or say why there is none.

None of them raises for data; what raises is the connection. A `Reader` reads the parts of one row,
and collects what is unreadable of it, so that the row is shown with its neighbours and says what is
wrong. Numbers are finite, texts are cut, JSON has no NaN.

Any bytes can be the id of a job, and stock arq clients pass them on. Bytes that are not UTF-8 are
shown as `\xff`, and what is shown finds the job again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic_core import from_json
from redis.exceptions import RedisError

from runner.broker.scripts import LOOK
from runner.broker.set_aside import is_wrong_type
from runner.codec import Envelope, decode_job
from runner.errors import CodecError
from runner.wording import counted, size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from redis.asyncio import Redis
    from redis.asyncio.client import Pipeline

    from runner.broker.scripts.fields import LookHead

NEVER = datetime.max.replace(tzinfo=UTC)
"""Sorts what has no time behind all that has one."""

LARGEST = 2**53 - 1
"""No count and no time of ours is larger, and Lua and JavaScript still count exactly."""

_DECIMAL = re.compile(r"[0-9]{1,15}(\.[0-9]{0,9})?")
_WHOLE = re.compile(rb"-?[0-9]{1,16}")
_SHOWN_BYTE = re.compile(rb"\\x([89a-f][0-9a-f])")
_TEXT = 200
_LINE = 1_000
_LONGEST_ID = 1_000
_MOST_ITEMS = 1_000
_MOST_PROBLEMS = 3
_WORDS = {"zset": "a sorted set"}
_WRONG = "holds another type than belongs there"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What stands at a key and is none of ours, and why not."""

    key: str
    why: str

    def __str__(self) -> str:
        return f"{self.key} {self.why}"


class Cut(NamedTuple):
    """A string that is too long to be read: its length and its start."""

    length: int
    start: bytes


class Entries(NamedTuple):
    """The last entries of a list, oldest first; a number is the length of one that is too long."""

    length: int
    last: list[bytes | int]


# ---------------------------------------------------------------------- from Redis


async def answers(pipe: Pipeline) -> list[Any]:
    """
    Return the replies to a pipeline's commands; `Unreadable` for a key of a wrong type.

    Raises:
        RedisError: Redis is away, or refuses a request.
    """
    asked = [arguments for arguments, _ in pipe.command_stack]
    replies = await pipe.execute(raise_on_error=False)
    return [readable(reply, arguments) for reply, arguments in zip(replies, asked, strict=True)]


def readable(reply: Any, arguments: Sequence[Any]) -> Any:
    """Return the reply to a command; `Unreadable` if its key is of a wrong type."""
    if not isinstance(reply, RedisError):
        return reply
    if not is_wrong_type(reply):
        raise reply
    return Unreadable(shown_id(arguments[1]), _WRONG)


async def look(
    redis: Redis, *, strings: Sequence[bytes] = (), lists: Sequence[bytes] = (), limits: LookHead
) -> list[Any]:
    """
    Read strings, as bytes or `Cut`, and lists, as `Entries`; None for what is not there.

    Raises:
        RedisError: Redis is away, or refuses a request.
    """
    names, arguments = looked_at(strings, lists, limits)
    if not names:
        return []
    found = await redis.eval(LOOK, len(names), *names, *arguments)  # type: ignore[misc]  # redis-py's own hints: sync or async
    return seen(names, found)


def looked_at(
    strings: Sequence[bytes], lists: Sequence[bytes], limits: LookHead
) -> tuple[list[Any], list[Any]]:
    """Return keys and arguments of `look.lua`, for a pipeline."""
    kinds = ["string"] * len(strings) + ["list"] * len(lists)
    return [*strings, *lists], [*limits, *kinds]


def seen(names: Sequence[bytes], found: Sequence[Any]) -> list[Any]:
    """Return what `look.lua` has found of *names*."""
    return [_seen(name, one) for name, one in zip(names, found, strict=True)]


def _seen(name: bytes, one: Any) -> Any:
    match one:
        case [b"string", value]:
            return value
        case [b"cut", length, start]:
            return Cut(length, start)
        case [b"list", length, *entries]:
            return Entries(length, entries[::-1])
        case [b"type", kind]:
            return Unreadable(shown_id(name), _holds(kind.decode()))
    return None


def _holds(kind: str) -> str:
    return f"holds {_WORDS.get(kind, f'a {kind}')}, which does not belong there"


async def hashes(
    redis: Redis, names: Sequence[str], *, most: int
) -> list[dict[bytes, bytes] | Unreadable]:
    """
    Return hashes of at most so many fields each; one that is not there is empty.

    Raises:
        RedisError: Redis is away, or refuses a request.
    """
    async with redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hlen(name)
        lengths = await answers(pipe)
        wanted = [
            name
            for name, length in zip(names, lengths, strict=True)
            if not isinstance(length, Unreadable) and 0 < length <= most
        ]
        for name in wanted:
            pipe.hgetall(name)
        read = dict(zip(wanted, await answers(pipe), strict=True))
    found: list[dict[bytes, bytes] | Unreadable] = []
    for name, length in zip(names, lengths, strict=True):
        if isinstance(length, Unreadable):
            found.append(length)
        elif length > most:
            found.append(Unreadable(name, f"has {counted(length, 'field')}: too many to read"))
        else:
            found.append(read.get(name, {}))
    return found


# ---------------------------------------------------------------------- single values


def shown_id(key: bytes | str) -> str:
    """The id or key as every page and command shows it; one that is too long is cut."""
    text = key if isinstance(key, str) else key.decode("utf-8", "backslashreplace")
    return cut(text, _LONGEST_ID)


def keys_of(shown: str) -> list[bytes]:
    """The ids that are shown like this: the text itself first, then the bytes it may stand for."""
    itself = shown.encode("utf-8", "backslashreplace")
    meant = _SHOWN_BYTE.sub(lambda byte: bytes.fromhex(byte[1].decode()), itself)
    return [itself, meant] if meant != itself and shown_id(meant) == shown else [itself]


def cut(text: str, most: int) -> str:
    """*text*, or its start with what it lacks."""
    return text if len(text) <= most else f"{text[:most]}… (cut: {size(len(text))})"


def moment(ms: object) -> datetime | None:
    """A time in Unix ms as an aware one; None if the calendar does not have it."""
    if isinstance(ms, bool) or not isinstance(ms, int | float):
        return None
    try:
        return datetime.fromtimestamp(ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def whole_of(value: object) -> int | None:
    """A whole number in digits; None for anything else."""
    if not isinstance(value, bytes) or not _WHOLE.fullmatch(value):
        return None
    return number if abs(number := int(value)) <= LARGEST else None


def count_of(value: object) -> int | None:
    """A whole number, not negative, in digits; None for anything else."""
    number = whole_of(value)
    return None if number is None or number < 0 else number


def number_of(value: object) -> float | None:
    """A number, not negative, in digits with a point or none; None for anything else."""
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else value
    return float(text) if isinstance(text, str) and _DECIMAL.fullmatch(text) else None


def crash_count(entries: object) -> int:
    """How many crashes are written in the entries that the scripts keep of a job."""
    return entries.count(b"=") if isinstance(entries, bytes) else 0


# ---------------------------------------------------------------------- rows


class Reader:
    """Reads the parts of one row."""

    def __init__(self) -> None:
        self._problems: dict[str, None] = {}

    @property
    def unreadable(self) -> str:
        """What could not be read, and why; empty if all could."""
        first = list(self._problems)[:_MOST_PROBLEMS]
        more = len(self._problems) - len(first)
        return "; ".join(first) + (f"; and {more} more" if more else "")

    def note(self, key: str | bytes, why: str) -> None:
        """Note that what stands at *key* is unreadable."""
        self._problems[f"{shown_id(key)} {why}"] = None

    def known(self, reply: Any, default: Any = None) -> Any:
        """Return a reply of Redis; *default*, noted, if it is unreadable."""
        if not isinstance(reply, Unreadable):
            return reply
        self._problems[str(reply)] = None
        return default

    def count(self, key: str | bytes, reply: Any) -> int:
        """Return a count that stands in a string or a field; 0 if it is not there, or negative."""
        return max(0, self.whole(key, reply))

    def whole(self, key: str | bytes, reply: Any) -> int:
        """Return a whole number that stands in a string or a field; 0 if it is not there."""
        value = self.known(reply)
        number = whole_of(value)
        if value is not None and number is None:
            self.note(key, "is no whole number")
        return number or 0

    def moment(self, key: str | bytes, ms: float | None) -> datetime | None:
        """Return the time of a score in Unix ms."""
        at = moment(ms)
        if ms is not None and at is None:
            self.note(key, f"has a time that no calendar has: {ms:g}")
        return at

    def fields(self, key: str | bytes, reply: Any) -> Fields:
        """Return the JSON object that stands in a string or an entry."""
        value = self.known(reply)
        if isinstance(value, Cut | int):
            length = value if isinstance(value, int) else value.length
            self.note(key, f"is too long to be read: {size(length)}")
        elif value is not None:
            try:
                found = from_json(value, allow_inf_nan=False)
            except ValueError:
                self.note(key, "is no JSON")
            else:
                if isinstance(found, dict):
                    return Fields(self, key, found)
                self.note(key, "is no JSON object")
        return Fields(self, key, {})

    def body(self, key: str | bytes, reply: Any) -> Envelope | None:
        """Return the job in a body; None if it cannot be read."""
        value = self.known(reply)
        if isinstance(value, Cut):
            return self._start_of_body(key, value)
        if value is None:
            self.note(key, "is not there")
            return None
        try:
            return decode_job(value)
        except CodecError as error:
            self.note(key, cut(f"is {error}", _TEXT))
            return None

    def _start_of_body(self, key: str | bytes, body: Cut) -> Envelope | None:
        """Its name stands before its arguments, if we wrote it."""
        self.note(key, f"is too long to be shown: {size(body.length)}")
        found = _NAME.match(body.start)
        return Envelope(from_json(found[1]), [], {}, 0) if found else None


_NAME = re.compile(rb'\{"t":(?:null|\d{1,9}),"f":("(?:[^"\\\x00-\x1f\x80-\xff]){1,200}")')


class Fields:
    """
    A JSON object that somebody wrote: its fields, each as what it should be.

    One that is something else is noted, and counts as missing.
    """

    def __init__(self, reader: Reader, key: str | bytes, values: Mapping[str, Any]) -> None:
        self._reader = reader
        self._key = key
        self._values = values

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __bool__(self) -> bool:
        return bool(self._values)

    def value(self, name: str) -> Any:
        """Return whatever JSON value it is."""
        return self._values.get(name)

    def text(self, name: str, default: str = "", *, most: int = _TEXT) -> str:
        """Return a text, cut after so many characters."""
        value = self._values.get(name)
        if isinstance(value, str):
            return cut(value, most)
        self._note_wrong(name, "text")
        return default

    def whole(self, name: str) -> int | None:
        """Return a whole number."""
        value = self._values.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST:
            return value
        self._note_wrong(name, "whole number")
        return None

    def number(self, name: str) -> float | None:
        """Return a finite number."""
        value = self._values.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._note_wrong(name, "number")
        elif abs(value) <= LARGEST:
            return float(value)
        else:
            self._note_wrong(name, "number of ours")
        return None

    def moment(self, name: str) -> datetime | None:
        """Return a time that stands there in Unix ms."""
        at = moment(self._values.get(name))
        if at is None:
            self._note_wrong(name, "time")
        return at

    def stamp(self, name: str) -> datetime | None:
        """Return a time that stands there in ISO 8601, with its zone."""
        try:
            at = datetime.fromisoformat(self.text(name))
        except ValueError:
            at = None
        if at is None or at.tzinfo is None:
            self._note_wrong(name, "time")
            return None
        return at

    def flag(self, name: str) -> bool:
        """Return whether it is true."""
        value = self._values.get(name)
        if not isinstance(value, bool):
            self._note_wrong(name, "true or false")
        return value is True

    def items(self, name: str, *, most: int = _MOST_ITEMS) -> list[Any]:
        """Return the first items of a list."""
        value = self._values.get(name)
        if isinstance(value, list):
            return value[:most]
        self._note_wrong(name, "list")
        return []

    def texts(self, name: str, *, most: int = _MOST_ITEMS) -> tuple[str, ...]:
        """Return the first texts of a list, each cut where it is long."""
        return tuple(cut(str(one), _LINE) for one in self.items(name, most=most))

    def inner(self, name: str) -> Fields | None:
        """Return the object in it."""
        value = self._values.get(name)
        if isinstance(value, dict):
            return Fields(self._reader, self._key, value)
        self._note_wrong(name, "object")
        return None

    def objects(self, name: str, *, most: int = _MOST_ITEMS) -> list[Fields]:
        """Return the objects of a list."""
        found = self.items(name, most=most)
        objects = [Fields(self._reader, self._key, one) for one in found if isinstance(one, dict)]
        if len(objects) < len(found):
            self._reader.note(self._key, f"has {name} that are no objects")
        return objects

    def _note_wrong(self, name: str, should_be: str) -> None:
        if self._values.get(name) is not None:
            self._reader.note(self._key, f"has a {name} that is no {should_be}")
