"""Make arguments safe to leave the process: no secrets, bounded size, JSON only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import islice
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

REDACTED = "[redacted]"

_SECRET_NAME = re.compile(
    r"pass(word|wd|phrase|code)|secret|token|(api|access|private)_?key|credential|authori[sz]ation"
    r"|cookie|session_?id|signature|(^|_)(auth|dsn|pin|pwd?)($|_)"
)
_WORD_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")
_USERINFO = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_TEXT_CHARACTERS = 500
_ITEMS = 50
_DEPTH = 5


def redacted(arguments: Mapping[str, Any], names: Collection[str] = ()) -> dict[str, Any]:
    """
    Return a copy of *arguments* as JSON values.

    A value is replaced if its name, at any depth, is in *names* or sounds like a secret (password,
    token, api_key …); so are user names and passwords in URLs. Long texts and lists are cut. An
    object that is not a model shows only its type, because its repr may contain secrets.
    """
    return _mapping(arguments, names, _DEPTH)


def _mapping(values: Mapping[Any, Any], names: Collection[str], depth: int) -> dict[str, Any]:
    return {
        str(name): REDACTED if _is_secret(name, names) else _plain(value, names, depth)
        for name, value in _first(values.items())
    }


def _is_secret(name: object, names: Collection[str]) -> bool:
    text = str(name)
    return text in names or _SECRET_NAME.search(_WORD_BORDER.sub("_", text).lower()) is not None


def _plain(value: Any, names: Collection[str], depth: int) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        text = _USERINFO.sub(REDACTED, value[: 2 * _TEXT_CHARACTERS])
        return text if len(text) <= _TEXT_CHARACTERS else f"{text[:_TEXT_CHARACTERS]}…"
    if isinstance(value, date | time | timedelta | UUID | Decimal | Enum | PurePath):
        return str(value)
    return _container(dict(value) if isinstance(value, BaseModel) else value, names, depth - 1)


def _container(value: Any, names: Collection[str], depth: int) -> Any:
    if depth < 0:
        return "…"
    if isinstance(value, Mapping):
        return _mapping(value, names, depth)
    if isinstance(value, list | tuple | set | frozenset):
        plain = [_plain(inner, names, depth) for inner in _first(value)]
        return [*plain, "…"] if len(value) > _ITEMS else plain
    return f"<{type(value).__name__}>"


def _first(items: Iterable[Any]) -> Iterable[Any]:
    return islice(items, _ITEMS)
