"""
The values that are known to be secret here and now, to be replaced wherever they turn up.

They are those of every `Secret` that is open in this process, and those that the running piece of
code names with `hiding`: the arguments of a failed job that have a secret's name.
"""

from __future__ import annotations

import base64
import json
import weakref
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from runner.redaction.names import REDACTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SHORTEST = 4
"""Shorter values would be found in half of all words."""

_SHORTEST_LINE = 16
"""Of a secret of several lines, such as a private key, each line this long counts, too."""


class Known:
    """A secret that somebody holds."""

    __slots__ = ("__weakref__",)

    def spellings(self) -> tuple[str, ...]:
        """Return all ways in which it may be written."""
        raise NotImplementedError


_open: dict[int, weakref.ref[Known]] = {}
"""By identity: two that are equal are two."""

_hidden: ContextVar[tuple[str, ...]] = ContextVar("hidden", default=())


def remember(secret: Known) -> None:
    """Replace the value of *secret* in all that is shown, as long as anybody holds it."""
    key = id(secret)
    _open[key] = weakref.ref(secret, lambda _: _open.pop(key, None))


@contextmanager
def hiding(values: Iterable[str]) -> Iterator[None]:
    """Replace *values*, however they are written, in all that is scrubbed meanwhile."""
    spelled = [spelling for value in values for spelling in spellings_of(value)]
    token = _hidden.set((*_hidden.get(), *spelled))
    try:
        yield
    finally:
        _hidden.reset(token)


def without_known(text: str) -> str:
    """Return *text* without the values that are known to be secret."""
    if not (_open or _hidden.get()):
        return text
    known = set(_hidden.get())
    if _open:
        held = [one for reference in list(_open.values()) if (one := reference()) is not None]
        known.update(spelling for one in held for spelling in one.spellings())
    for value in sorted((one for one in known if one in text), key=len, reverse=True):
        text = text.replace(value, REDACTED)
    return text


def spellings_of(value: str) -> tuple[str, ...]:
    """Return how *value* may be written: in Python, JSON, a URL, base64; longest first."""
    whole = [value, *(line for line in value.splitlines() if len(line) >= _SHORTEST_LINE)]
    found = {
        spelling
        for one in whole
        if len(one) >= _SHORTEST
        for spelling in (
            one,
            repr(one)[1:-1],
            json.dumps(one)[1:-1],
            quote(one, errors="replace"),
            quote(one, safe="", errors="replace"),
            quote_plus(one, errors="replace"),
            base64.b64encode(one.encode("utf-8", "replace")).decode().rstrip("="),
        )
    }
    return tuple(sorted(found, key=len, reverse=True))
