"""The version of the code that draws: charts drawn by other code are outdated."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_ROOTS: Final = ("jobs.charts.build", "jobs.analysis", "jobs.channel.frames")
"""What draws, what reads a stored analysis, and what makes the data frames."""

_FOR_TYPES = re.compile(r"^if TYPE_CHECKING:\n(?:(?: .*)?\n)+", re.MULTILINE)
_FROM = re.compile(
    r"^\s*from ((?:jobs|runner)\b[\w.]*) import (?:\(([^)]*)\)|([^(\n]*))", re.MULTILINE
)
_IMPORT = re.compile(r"^\s*import ((?:jobs|runner)\b[\w.]*)", re.MULTILINE)


@cache
def code_version() -> str:
    """Return sixteen digits of a hash over the code that draws; this takes milliseconds."""
    digest = hashlib.sha256()
    for name, source in sorted(drawing_modules().items()):
        digest.update(f"\n{name}\n{source}".encode())
    return digest.hexdigest()[:16]


def drawing_modules() -> dict[str, str]:
    """
    Return the source of every module of ours that drawing imports, directly or not.

    Imports are found by regular expressions: parsing the modules would take a tenth of a second in
    each process that draws. A test compares the result with the import graph.
    """
    found: dict[str, str] = {}
    to_read = list(_ROOTS)
    while to_read:
        name = to_read.pop()
        path = None if name in found else _path(name)
        if path is not None:
            found[name] = path.read_text(encoding="utf-8")
            to_read += _imports(found[name])
    return found


def _imports(source: str) -> list[str]:
    """Return the modules that *source* may import; some of the names are functions."""
    at_run_time = _FOR_TYPES.sub("", source)
    names = _IMPORT.findall(at_run_time)
    for module, in_parentheses, on_one_line in _FROM.findall(at_run_time):
        imported = [
            one.split(" as ")[0].strip() for one in (in_parentheses or on_one_line).split(",")
        ]
        submodules = [f"{module}.{one}" for one in imported if _path(f"{module}.{one}")]
        # If only submodules are imported, their package is not.
        if len(submodules) < len([one for one in imported if one]):
            names.append(module)
        names += submodules
    return names


def _path(name: str) -> Traversable | None:
    """Return the file of module *name*; None if *name* is something inside a module."""
    package, *parts = name.split(".")
    place = files(package)
    for part in parts:
        if not part.isidentifier() or not place.is_dir():
            return None
        folder, module = place / part, place / f"{part}.py"
        place = folder if folder.is_dir() else module
    if place.is_dir():
        place /= "__init__.py"
    return place if place.is_file() else None
