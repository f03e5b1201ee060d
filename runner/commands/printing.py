"""The lines that commands print: what they did, and where things are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runner.visible import visible

if TYPE_CHECKING:
    from collections.abc import Mapping


def echo(text: str = "", *, lead: str = "", err: bool = False) -> None:
    """
    Print *text* as one line, whatever it holds.

    lead: what comes before it, as it is: of ours, and maybe with colours. err: on standard error.
    """
    click.echo(lead + visible(text), err=err)


def print_places(places: Mapping[str, str], heading: str) -> None:
    """Print where things are, and how to stop."""
    width = max(len(name) for name in places)
    lines = [f"  {name:<{width}}  {place}" for name, place in places.items()]
    for line in [heading, *lines, "Ctrl-C stops it."]:
        echo(line)
