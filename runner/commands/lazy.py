"""Commands that are imported when they are typed: a program's help and a shell need no more."""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple

import click


class LazyCommand(NamedTuple):
    """
    A command as a list shows it, and where it is.

    target: `module:name`. help: the first sentence of its help.
    """

    name: str
    target: str
    help: str

    def load(self) -> click.Command:
        """Import it."""
        module, _, name = self.target.partition(":")
        found = getattr(import_module(module), name)
        assert isinstance(found, click.Command)  # noqa: S101 -- else the table is wrong
        return found
