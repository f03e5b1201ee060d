"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import click
from pydantic_core import to_json

from runner.operations.words import shown
from runner.visible import visible, visible_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
"""The option that every listing has."""


def echo(text: str = "", *, lead: str = "", err: bool = False) -> None:
    """
    Print *text* as one line, whatever it holds; all that commands print goes through here.

    lead: what comes before it, as it is: of ours, and maybe with colours. err: on standard error.
    """
    click.echo(lead + visible(text), err=err)


def echo_json(document: str) -> None:
    """Print a JSON document, which may have several lines."""
    click.echo(visible_lines(document))


def print_json(found: Any) -> None:
    """Print one JSON document of dataclasses and plain values."""
    echo_json(to_json(plain(found)).decode())


def plain(value: Any) -> Any:
    """*value* as JSON has it: a dataclass as its fields, without hidden ones."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value) if one.repr}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return value


def print_table(columns: Mapping[str, str], rows: Sequence[Sequence[object]]) -> None:
    """
    Print *rows* under *columns*, which map headings to "left", "right" or "wrap".

    Only wrapping columns shrink on a narrow terminal. Piped lines are never cut.
    """
    from rich.table import Table
    from rich.text import Text

    from runner.commands.console import SafeConsole

    console = SafeConsole()
    if not console.is_terminal:
        console = SafeConsole(width=_WIDE, soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading, kind in columns.items():
        table.add_column(
            heading,
            justify="right" if kind == "right" else "left",
            no_wrap=kind != "wrap",
            overflow="fold" if kind == "wrap" else "ellipsis",
        )
    for row in rows:
        table.add_row(*(Text(shown(one)) for one in row))
    console.print(table)


_WIDE = 240


def print_places(places: Mapping[str, str], heading: str) -> None:
    """Print where things are, and how to stop."""
    width = max(len(name) for name in places)
    lines = [f"  {name:<{width}}  {place}" for name, place in places.items()]
    for line in [heading, *lines, "Ctrl-C stops it."]:
        echo(line)
