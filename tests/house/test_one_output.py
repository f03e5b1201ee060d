"""Each command that lists or shows something returns what it found; one place prints it."""

from __future__ import annotations

import ast
import inspect
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.program import cli

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]

_LOOKING = {"list", "ls", "show", "why", "doctor", "health", "schedule"}
"""What commands are called that change nothing, or show what they changed."""

_PRINTING = {"echo", "secho", "print", "print_document", "tell", "write"}
_WRITES_JSON = {"dumps", "to_json"}
_OUTPUT = ROOT / "runner" / "commands" / "output.py"
_FILES = ROOT / "jobs" / "commands" / "export_tables.py"  # writes files, not to a terminal


def _commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in [*group.list_commands(context), "ls"]:
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path}{name} ")
        elif command is not None:
            yield f"{path}{name}", command


def test_commands_that_look_take_every_form_and_print_nothing() -> None:
    """They are made by `shows`, so each has `-o`, `--watch` and the old `--json`."""
    looking = {
        path: command for path, command in _commands(cli) if path.rpartition(" ")[2] in _LOOKING
    }
    assert {"queues list", "queues ls", "channels list", "why", "doctor"} <= looking.keys()
    for path, command in looking.items():
        read = getattr(command.callback, "reads", None)
        assert read is not None, f"{path} is not under `shows`"
        assert {"form", "as_json", "watched"} <= {one.name for one in command.params}, path
        assert _called(ast.parse(textwrap.dedent(inspect.getsource(read)))) & _PRINTING == set()


def test_json_is_written_in_one_place() -> None:
    """No other module of commands makes a document of its own, or draws a table that lists."""
    for folder in ("runner", "jobs"):
        for path in (ROOT / folder / "commands").rglob("*.py"):
            if path not in {_OUTPUT, _FILES}:
                tree = ast.parse(path.read_text(encoding="utf-8"))
                assert _called(tree) & _WRITES_JSON == set(), path


def _called(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            found.add(
                called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            )
    return found
