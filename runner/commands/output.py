"""
What commands list or show: read once, then a table, a wide one, or JSON, as `-o` says.

A command that lists or shows something is a coroutine that returns `Shown`, under `shows`. It
prints nothing itself: how things look, whatever the command, is decided here.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import shutil
import sys
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import click

from runner.commands.printing import echo
from runner.commands.run_command import run_async
from runner.visible import visible_lines
from runner.wording import now_here

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Sequence


Form = Literal["table", "wide", "json"]

WATCHED_EVERY_S: Final = 2.0
_MS_SUFFIX: Final = "_ms"


class Part(Protocol):
    """Something that people see: a table, facts, lines."""

    def lines(self, room: int | None) -> Iterator[str]:
        """Return its lines, of *room* cells at most; None: nothing is cut or left out."""
        ...


@dataclass(frozen=True, slots=True)
class Shown:
    """
    What a command found.

    Attributes:
        document: What JSON has of it: a list for several things, an object for one.
        parts: What people see of it, one below the other.
        note: A line for people beside that: how many of how many, or why there is nothing.
        status: The exit status of the command.
    """

    document: object
    parts: Sequence[Part] = ()
    note: str = ""
    status: int = 0


def shows(read: Callable[..., Coroutine[Any, Any, Shown]]) -> Callable[..., None]:
    """
    Make a command of *read*, which is given the application and the command's own options.

    The command has `-o` and `--watch`. With the latter it is read again every two seconds, and its
    place on the screen stays, until Ctrl-C; where standard output is no terminal, it is read once.
    """

    @wraps(read)
    def command(
        context: click.Context, /, *, form: Form, as_json: bool, watched: bool, **given: Any
    ) -> None:
        form = "json" if as_json else form
        if watched and sys.stdout.isatty():
            _watch(lambda: read(context.obj, **given), form, context)
            return
        found = run_async(read(context.obj, **given))
        _print(found, form)
        context.exit(found.status)

    for option in (_WATCH, _AS_JSON, _FORM):
        option(command)
    command.reads = read  # type: ignore[attr-defined]  # for the test that looks at all of them
    return click.pass_context(command)


_FORM = click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["table", "wide", "json"]),
    default="table",
    help="A table as wide as the terminal, one that cuts nothing, or JSON.",
)
_AS_JSON = click.option("--json", "as_json", is_flag=True, hidden=True)
_WATCH = click.option(
    "--watch",
    "-w",
    "watched",
    is_flag=True,
    help=f"Look again every {WATCHED_EVERY_S:.0f} seconds, until Ctrl-C.",
)


def print_document(found: object) -> None:
    """
    Print one JSON document of dataclasses and plain values.

    Times are ISO 8601 with their offset, durations are in seconds under a name that ends in `_s`.
    A text that is not UTF-8, as a file's name may be, has JSON's escapes, and reads back unchanged.
    """
    click.echo(as_document(found))


def as_document(found: object) -> str:
    """Return what `print_document` prints."""
    text = json.dumps(_plain(found), ensure_ascii=False, indent=2, default=_scalar)
    return visible_lines(text)


def _plain(value: object) -> object:
    """*value* as JSON has it: a dataclass as its fields, without hidden ones."""
    if is_dataclass(value) and not isinstance(value, type):
        return dict(_field(one.name, getattr(value, one.name)) for one in fields(value) if one.repr)
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _scalar(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(value, serialize_unknown=True)


def _field(name: str, value: object) -> tuple[str, object]:
    if name.endswith(_MS_SUFFIX) and isinstance(value, (int, float)):
        return f"{name.removesuffix(_MS_SUFFIX)}_s", value / 1000
    return name, _plain(value)


def _print(found: Shown, form: Form) -> None:
    for line in _lines(found, form):
        click.echo(line, color=_color())
    if found.note and form != "json":
        echo(found.note, err=True)


def _lines(found: Shown, form: Form) -> Iterator[str]:
    if form == "json":
        yield from as_document(found.document).splitlines()
        return
    room = None if form == "wide" or not sys.stdout.isatty() else _columns()
    for part in found.parts:
        yield from part.lines(room)


def _columns() -> int:
    return shutil.get_terminal_size().columns


def _color() -> bool | None:
    """No colours where NO_COLOR says so; else where there is a terminal."""
    return False if os.environ.get("NO_COLOR") else None


def _watch(
    read: Callable[[], Coroutine[Any, Any, Shown]], form: Form, context: click.Context
) -> None:
    """Show what *read* finds on a screen of its own; what was seen last is left behind."""
    last: list[str] = []

    async def keep_looking() -> None:
        while True:
            try:
                found = await read()
            except (OSError, click.ClickException, *context.obj.expected_errors()) as error:
                if not last:
                    raise
                problem = str(getattr(error, "message", error))
                _draw(last, click.style(visible_lines(problem), fg="red"), context)
            else:
                note = [found.note] if found.note and form != "json" else []
                last[:] = [*_lines(found, form), *map(visible_lines, note)]
                _draw(last, "", context)
            await asyncio.sleep(WATCHED_EVERY_S)

    _write(_OPEN)
    try:
        run_async(keep_looking())
    except KeyboardInterrupt:
        pass
    finally:
        _write(_CLOSE)
        for line in last:
            click.echo(line, color=_color())


_OPEN: Final = "\x1b[?1049h\x1b[?25l\x1b[?7l"
"""The other screen, without a cursor; what is too long for a line is not seen."""

_CLOSE: Final = "\x1b[?7h\x1b[?25h\x1b[?1049l"


def _draw(lines: Sequence[str], problem: str, context: click.Context) -> None:
    """Draw over what is there, line by line: a screen that is cleared first would flicker."""
    rows = shutil.get_terminal_size().lines
    head = click.style(f"{context.command_path} · {now_here()} · Ctrl-C ends it", dim=True)
    room = rows - 2 - bool(problem)
    shown = list(lines)
    if len(shown) > room:
        more = len(shown) - room + 1
        shown[room - 1 :] = [click.style(f"… {more:,} lines more", dim=True)]
    frame = [head, "", *shown, *([problem] if problem else [])]
    _write("\x1b[H" + "\r\n".join(f"{line}\x1b[K" for line in frame) + "\x1b[J")


def _write(text: str) -> None:
    if _color() is False:
        text = _without_styles(text)
    sys.stdout.write(text)
    sys.stdout.flush()


def _without_styles(text: str) -> str:
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", text)
