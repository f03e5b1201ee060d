"""Make arguments safe to leave the process: no secrets, bounded size, JSON only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import islice
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import BaseModel

from runner.redaction.known import Known
from runner.redaction.names import REDACTED, is_secret_name
from runner.redaction.shapes import scrubbed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

MOST_CHARACTERS = 20_000
"""Of all arguments of a job together: some hundred lines."""

_CUT = "…"
_TEXT_CHARACTERS = 500
_READ_CHARACTERS = 4 * _TEXT_CHARACTERS
"""More of a text than is shown: what is cut in half would not be recognised."""

_ITEMS = 50
_DEPTH = 5
_SECRETS = 100
_SEALED = {"$sealed"}  # as `runner/secret.py` writes it
_DEEPEST = 20
_PLAIN = bool | int | float | date | time | timedelta | UUID | Decimal
_NAME_FIELDS = ("name", "key", "header", "field", "k")
_VALUE_FIELDS = ("value", "val", "content", "v")


def redacted(
    arguments: Mapping[str, Any], names: Collection[str] = (), *, most: int = MOST_CHARACTERS
) -> dict[str, Any]:
    """
    Return a copy of *arguments* as JSON values of about *most* characters in all.

    A value is replaced if its name, at any depth, is in *names* or sounds like a secret (password,
    token, api_key …), or if it stands beside such a name in a list or a record; so is what looks
    like a secret within texts. Long texts and lists are cut, and say so. An object that is not a
    model shows only its type, because its repr may contain secrets.
    """
    return _Copy(names, most).mapping(arguments, _DEPTH)


def without_secrets(value: Any, depth: int = _DEEPEST) -> Any:
    """
    Return a copy of *value* with its structure, in which no text and no name shows a secret.

    What is neither plain data nor a container becomes the text of its repr.
    """
    if isinstance(value, str):
        return scrubbed(value)
    if value is None or isinstance(value, _PLAIN):
        return value
    if depth and isinstance(value, Mapping):
        return {
            name: REDACTED if _is_secret(name, ()) else without_secrets(inner, depth - 1)
            for name, inner in value.items()
        }
    if depth and type(value) in {list, tuple, set, frozenset}:
        return type(value)(without_secrets(inner, depth - 1) for inner in value)
    return scrubbed(text_of_repr(value))


def text_of_repr(value: object) -> str:
    """Return `repr(value)`, or that it has none. Never raises."""
    try:
        return repr(value)
    except Exception as broken:  # noqa: BLE001 -- somebody's own code may do anything
        return f"<{type(value).__name__}: {type(broken).__name__} while it was formatted>"


def secrets_in(arguments: Mapping[str, Any], names: Collection[str] = ()) -> list[str]:
    """Return the texts, at any depth, whose name is in *names* or sounds like a secret's."""
    return list(islice(_secrets(arguments, names, _DEPTH), _SECRETS))


def _secrets(values: Mapping[Any, Any], names: Collection[str], depth: int) -> Iterator[str]:
    for name, value in _first(values.items()):
        if _is_secret(name, names):
            yield from _texts(value, depth)
        elif depth:
            for part in _first(value if isinstance(value, list | tuple) else [value]):
                yield from _secrets(_fields(part), names, depth - 1)


def _texts(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes):
        yield value.decode("utf-8", "replace")
    elif isinstance(value, int | float | Decimal | UUID) and not isinstance(value, bool):
        yield str(value)
    elif depth:
        is_list = isinstance(value, list | tuple | set | frozenset)
        for one in _first(value if is_list else _fields(value).values()):
            yield from _texts(one, depth - 1)


def _fields(value: Any) -> Mapping[Any, Any]:
    """Return the fields of a record of any kind; nothing of anything else."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, BaseModel):
        return dict(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return {}


class _Copy:
    """One copy: *names* of secrets, and how many characters are *left*."""

    def __init__(self, names: Collection[str], left: int) -> None:
        self._names = names
        self._left = left

    def mapping(self, values: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in _first(values.items()):
            shown = scrubbed(str(name)[:_READ_CHARACTERS])[:_TEXT_CHARACTERS]
            if not self._take(len(shown)):
                found[_CUT] = _CUT
                break
            is_secret = _is_secret(name, self._names)
            found[shown] = REDACTED if is_secret else self._plain(value, depth)
        if any(_is_secret(found.get(field, ""), self._names) for field in _NAME_FIELDS):
            found |= {field: REDACTED for field in _VALUE_FIELDS if field in found}
        return found

    def _take(self, characters: int) -> bool:
        """Count what is written; False if there is no room for more."""
        self._left -= characters + 4
        return self._left > 0

    def _plain(self, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool | float):
            return value
        if isinstance(value, int):
            self._take(value.bit_length() // 3)
            return value
        if isinstance(value, str):
            text = scrubbed(value[:_READ_CHARACTERS])
            text = text if len(text) <= _TEXT_CHARACTERS else f"{text[:_TEXT_CHARACTERS]}{_CUT}"
            self._take(len(text))
            return text
        if isinstance(value, _PLAIN):
            return str(value)
        if isinstance(value, Enum | PurePath):
            return scrubbed(str(value))
        return self._container(dict(value) if isinstance(value, BaseModel) else value, depth - 1)

    def _container(self, value: Any, depth: int) -> Any:
        if isinstance(value, Known):
            return REDACTED
        if depth < 0:
            return _CUT
        if isinstance(value, Mapping):
            if value.keys() == _SEALED:
                return REDACTED
            return self.mapping(value, depth)
        if isinstance(value, list | tuple | set | frozenset):
            plain = list(self._items(value, depth))
            return [*plain, _CUT] if len(value) > len(plain) else plain
        return f"<{type(value).__name__}>"

    def _items(self, values: Iterable[Any], depth: int) -> Iterator[Any]:
        """Yield items; what follows a name that sounds like a secret, as in a command, is one."""
        follows_name = False
        for inner in _first(values):
            if not self._take(0):
                return
            hidden = follows_name and inner is not None
            yield REDACTED if hidden else self._plain(inner, depth)
            follows_name = isinstance(inner, str | bytes) and _is_name(inner, self._names)


def _is_secret(name: object, names: Collection[str]) -> bool:
    text = name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
    return text in names or is_secret_name(text)


def _is_name(value: str | bytes, names: Collection[str]) -> bool:
    """Whether an item is a name, and not a text in which one occurs."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    is_word = text.replace("-", "").replace("_", "").replace(".", "").isalnum()
    return is_word and len(text) <= _LONGEST_NAME and _is_secret(text, names)


def _first(items: Iterable[Any]) -> Iterable[Any]:
    return islice(items, _ITEMS)


_LONGEST_NAME = 64
