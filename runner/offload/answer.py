"""
What a call with limits gives back: data, in which nothing is executed.

Its process has read what others wrote, so the worker trusts no byte that comes from there. Of an
object only the values of its fields cross over. The worker makes one of a class that its caller
has named, and of no other; not even its constructor is called.

    length of the JSON, 8 bytes | JSON | each bytes object of the answer, one after the other

In the JSON `{"": [tag, …]}` is what JSON does not have. The process runs this file as a script, so
it needs the standard library only.
"""

from __future__ import annotations

import dataclasses
import json
import struct
import sys
import types
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_HEAD: Final = struct.Struct("!Q")
_SCALARS: Final = frozenset({type(None), bool, int, float, str})


class NoDataError(Exception):
    """A value cannot be passed on, or is not what may come; the message says which."""


def pack(value: Any) -> bytes:
    """
    Return *value* as an answer.

    Raises:
        NoDataError: It holds what is no data.
    """
    packer = _Packer()
    try:
        text = json.dumps(packer.plain(value), separators=(",", ":")).encode()
    except RecursionError:
        raise NoDataError("it is nested too deeply, or holds itself") from None
    except ValueError as error:
        raise NoDataError(str(error)) from None
    return b"".join((_HEAD.pack(len(text)), text, *packer.blobs))


def unpack(answer: bytes, classes: Collection[type]) -> Any:
    """
    Return the value of *answer*; its objects are of *classes*.

    Raises:
        NoDataError: It is damaged, or holds an object of another class.
    """
    try:
        (length,) = _HEAD.unpack_from(answer)
        start = _HEAD.size + length
        unpacker = _Unpacker(classes, memoryview(answer)[start:])
        return unpacker.value(json.loads(answer[_HEAD.size : start]))
    except NoDataError:
        raise
    except RecursionError:
        raise NoDataError("it is nested too deeply") from None
    except Exception as error:  # noqa: BLE001 -- what sent it may have meant any of them
        raise NoDataError(f"it is damaged ({type(error).__name__}: {error})") from None


def name_of(kind: type) -> str:
    """Return what a class is called in an answer."""
    return f"{kind.__module__}:{kind.__qualname__}"


class _Packer:
    """Makes what JSON has of a value. blobs: the bytes in it."""

    def __init__(self) -> None:
        self.blobs: list[bytes] = []
        self._writers: dict[type, Callable[[Any], Any]] = {
            list: self._list,
            dict: self._dict,
            bytes: self._bytes,
            bytearray: self._bytes,
            **{kind: partial(self._values, kind.__name__) for kind in (tuple, set, frozenset)},
            **{kind: partial(_tagged, kind.__name__, write) for kind, write in _WRITE.items()},
        }

    def plain(self, value: Any) -> Any:
        kind = type(value)
        if kind in _SCALARS:
            return value
        write = self._writers.get(kind)
        if write is None:
            write = self._writers[kind] = self._writer(kind)
        return write(value)

    def _list(self, values: list[Any]) -> list[Any]:
        return [one if type(one) in _SCALARS else self.plain(one) for one in values]

    def _dict(self, values: dict[Any, Any]) -> Any:
        if "" not in values and all(type(name) is str for name in values):
            return {
                name: one if type(one) in _SCALARS else self.plain(one)
                for name, one in values.items()
            }
        return {"": ["dict", [[self.plain(name), self.plain(one)] for name, one in values.items()]]}

    def _bytes(self, value: bytes | bytearray) -> Any:
        self.blobs.append(bytes(value))
        return {"": [type(value).__name__, len(value)]}

    def _values(self, tag: str, values: Collection[Any]) -> Any:
        return {"": [tag, self._list(list(values))]}

    def _writer(self, kind: type) -> Callable[[Any], Any]:
        """Return what writes the instances of a class of somebody's own."""
        name = name_of(kind)
        if issubclass(kind, Enum):
            return lambda value: {"": ["enum", name, self.plain(value.value)]}
        if dataclasses.is_dataclass(kind):
            fields = [field.name for field in dataclasses.fields(kind)]
            return lambda value: {
                "": ["object", name, self._list([getattr(value, field) for field in fields])]
            }
        if issubclass(kind, tuple) and hasattr(kind, "_fields"):
            return lambda value: {"": ["named", name, self._list(list(value))]}
        if issubclass(kind, PurePath):
            return partial(_tagged, "path", str)
        if issubclass(kind, Exception):
            return self._error
        raise NoDataError(
            f"it holds a {name}, which is no data: "
            "give back plain values, dataclasses, named tuples or enums"
        )

    def _error(self, error: Exception) -> Any:
        # The file name of an `OSError` is not among its arguments.
        args = error.__reduce__()[1] if isinstance(error, OSError) else error.args
        said = f"{type(error).__qualname__}: {error}"
        return {
            "": [
                "error",
                name_of(type(error)),
                self._list(list(args)),
                self.plain(vars(error)),
                said,
            ]
        }


def _tagged(tag: str, write: Callable[[Any], Any], value: Any) -> Any:
    return {"": [tag, write(value)]}


class _Unpacker:
    """Makes the value again, of *classes* alone. blobs: the bytes that come next."""

    def __init__(self, classes: Collection[type], blobs: memoryview) -> None:
        self._classes = {name_of(kind): kind for kind in classes}
        self._blobs = blobs
        self._makers: dict[str, Callable[..., Any]] = {
            "tuple": lambda values: tuple(self.value(values)),
            "set": lambda values: set(self.value(values)),
            "frozenset": lambda values: frozenset(self.value(values)),
            "bytes": self._bytes,
            "bytearray": lambda length: bytearray(self._bytes(length)),
            "dict": lambda pairs: {self.value(name): self.value(one) for name, one in pairs},
            "object": self._object,
            "enum": lambda name, value: self._class(name, Enum)(self.value(value)),
            "named": self._named,
            "error": self._error,
            **_READ,
        }

    def value(self, plain: Any) -> Any:
        kind = type(plain)
        if kind is list:
            return [one if type(one) in _SCALARS else self.value(one) for one in plain]
        if kind is not dict:
            return plain
        if "" in plain:
            tag, *rest = plain[""]
            return self._makers[tag](*rest)
        return {
            name: one if type(one) in _SCALARS else self.value(one) for name, one in plain.items()
        }

    def _bytes(self, length: int) -> bytes:
        found, self._blobs = bytes(self._blobs[:length]), self._blobs[length:]
        if len(found) != length:
            raise NoDataError("it is cut off")
        return found

    def _class(self, name: str, base: type) -> Any:
        kind = self._classes.get(name)
        if kind is None:
            raise NoDataError(f"it holds a {name}, which the caller does not name in `returns`")
        if not issubclass(kind, base):
            raise NoDataError(f"{name} is not made in this way")
        return kind

    def _object(self, name: str, values: list[Any]) -> Any:
        kind = self._class(name, object)
        fields = dataclasses.fields(kind)
        made = object.__new__(kind)
        for field, value in zip(fields, values, strict=True):
            object.__setattr__(
                made, field.name, value if type(value) in _SCALARS else self.value(value)
            )
        return made

    def _named(self, name: str, values: list[Any]) -> Any:
        kind = self._class(name, tuple)
        if len(values) != len(kind._fields):
            raise NoDataError(f"a {name} has {len(kind._fields)} fields, not {len(values)}")
        return tuple.__new__(kind, self.value(values))

    def _error(self, name: str, args: Any, state: Any, said: str) -> Exception:
        kind = _known_error(name)
        args, state = self.value(args), self.value(state)
        if kind is None:
            from runner.errors import OffloadError

            error: Exception = OffloadError(str(said))
        elif isinstance(kind.__init__, types.WrapperDescriptorType):
            error = kind(*args)
        else:
            error = kind.__new__(kind, *args)
        vars(error).update(state)
        return error


def _known_error(name: str) -> type[Exception] | None:
    """Return the exception of that name, if this process has it: nothing is imported for it."""
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = vars(found).get(part) if isinstance(found, (type, types.ModuleType)) else None
    if not (isinstance(found, type) and issubclass(found, Exception)):
        return None
    # One that is made by code of its own is not made of what comes from there.
    return found if isinstance(found.__new__, types.BuiltinFunctionType) else None


def _write_time(value: datetime | time) -> list[Any]:
    if value.tzinfo is not None and type(value.tzinfo) is not timezone:
        raise NoDataError(f"it holds a time in {value.tzinfo}: give it back in UTC")
    return [value.isoformat(), value.fold]


def _read_delta(parts: list[int]) -> timedelta:
    days, seconds, microseconds = parts
    return timedelta(days, seconds, microseconds)


_WRITE: Final[dict[type, Callable[[Any], Any]]] = {
    datetime: _write_time,
    date: date.isoformat,
    time: _write_time,
    timedelta: lambda value: [value.days, value.seconds, value.microseconds],
    Decimal: str,
    UUID: str,
}
_READ: Final[dict[str, Callable[[Any], Any]]] = {
    "datetime": lambda parts: datetime.fromisoformat(parts[0]).replace(fold=parts[1]),
    "date": date.fromisoformat,
    "time": lambda parts: time.fromisoformat(parts[0]).replace(fold=parts[1]),
    "timedelta": _read_delta,
    "Decimal": Decimal,
    "UUID": UUID,
    "path": Path,
}
