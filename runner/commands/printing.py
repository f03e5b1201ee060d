"""What the operator's commands print: a table for people, JSON for programs."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
from pydantic_core import to_json

from runner.wording import NOTHING, clock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runner.context import Progress

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
"""The option that every listing has."""


def print_json(found: Any) -> None:
    """Print one JSON document of dataclasses and plain values."""
    click.echo(to_json(plain(found)).decode())


def plain(value: Any) -> Any:
    """What JSON can say of *value*: a dataclass by its fields, hidden ones left out."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value) if one.repr}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return value


def print_table(
    columns: Mapping[str, str],
    rows: Sequence[Sequence[object]],
    *,
    styles: Callable[[Sequence[object]], str] | None = None,
) -> None:
    """
    Print *rows* under *columns*, which map headings to "left", "right" or "wrap".

    Only a wrapping column gives way on a narrow terminal. Piped, the lines are as long as they are.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDE, soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading, kind in columns.items():
        table.add_column(
            heading,
            justify="right" if kind == "right" else "left",
            no_wrap=kind != "wrap",
            overflow="fold" if kind == "wrap" else "ellipsis",
        )
    for row in rows:
        table.add_row(*(Text(shown(one)) for one in row), style=styles(row) if styles else None)
    console.print(table)


_WIDE = 240


def shown(value: object) -> str:
    """A cell of a table; nothing in it can steer the terminal."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return clock(value)
    text = str(value)
    # A job's name or error is somebody's text: nothing in it may steer the terminal.
    return "".join(one if one.isprintable() else " " for one in text)


def progress(made: Progress | None) -> str:
    """How far a job says it has come, nothing where it says nothing."""
    if made is None:
        return ""
    of = "" if made.total is None else f"/{made.total:g}"
    return f"{made.done:g}{of} {made.note}".rstrip()


def arguments(given: Mapping[str, Any]) -> str:
    """Arguments as a call writes them."""
    return ", ".join(f"{name}={to_json(value).decode()}" for name, value in given.items())
