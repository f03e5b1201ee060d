"""A publisher's keywords as lists write them, one a line; None where there are none."""

from __future__ import annotations

import ast

from jobs.channel.text import one_line

_MOST = 500
_NONE = frozenset({"", "[none]", "[]"})


def read(text: str) -> str | None:
    """Read `"a"|"b"`, `a|b`, `a, b` or `['a', 'b']`; `[none]` and an empty cell hold none."""
    stripped = text.strip()
    if stripped.lower() in _NONE:
        return None
    if stripped.startswith("["):
        found = _of_python(stripped)
    else:
        found = stripped.split("|" if "|" in stripped else ",")
    tags = [one_line(each).strip('"').strip() for each in found]
    return "\n".join(list(dict.fromkeys(tag for tag in tags if tag))[:_MOST]) or None


def _of_python(text: str) -> list[str]:
    """Read a list as Python prints it."""
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text.split("|")
    return [str(each) for each in found] if isinstance(found, list) else [text]
