"""
Writes docs/reference-cli.md from the commands themselves.

    python -m tests.house.cli_page
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.program import cli

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[2] / "docs" / "reference-cli.md"

_HEAD = """\
# Commands

Written from the commands by `python -m tests.house.cli_page`; a test compares. `--help` after any
of them says the same. The first are those of channels, the others those of every application.

Every command that lists or shows something takes `-o table`, which fits the terminal, `-o wide`,
which cuts nothing, or `-o json`: a list for several things and an object for one, times in ISO
8601 with their offset, durations in seconds under a name that ends in `_s`. With `--watch` it looks
again every two seconds, until Ctrl-C. Times in tables are those of your zone, whose offset from UTC
stands once. `ls` is `list`.

Every command takes `--app MODULE:NAME`, which names the application (`PIPELINE_APP`),
`--config FILE`, which reads settings from that TOML file (`PIPELINE_CONFIG`), and `--debug`, which
shows where an error comes from; each may also stand before the command's name.

What goes wrong is one line on standard error, `pipeline: what, where, what to do`. Unless a command
says otherwise below, its exit status is 0, or 2 where arguments, settings or what it needs are
wrong.
"""
_COMMON = {"--app", "--config", "--debug", "--help"}


def page() -> str:
    """Return the page as it must be."""
    return "\n".join([_HEAD, *_of(cli, "pipeline")])


def _of(command: click.Command, path: str) -> Iterator[str]:
    context = click.Context(command, info_name=path)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            part = command.get_command(context, name)
            assert part is not None
            if not part.hidden:
                yield from _of(part, f"{path} {name}")
        return
    arguments = " ".join(command.collect_usage_pieces(context)[1:])
    yield f"## `{f'{path} {arguments}'.strip()}`\n"
    yield inspect.cleandoc(command.help or "").replace("\b\n", "").replace("\f", "") + "\n"
    rows = [row for parameter in command.params if (row := _row(parameter, context)) is not None]
    if rows:
        yield "\n".join(["| option | meaning |", "|---|---|", *rows]) + "\n"


def _row(parameter: click.Parameter, context: click.Context) -> str | None:
    record = parameter.get_help_record(context)
    if record is None or isinstance(parameter, click.Argument) or _COMMON & set(parameter.opts):
        return None
    words, meaning = (" ".join(part.split()).replace("|", "\\|") for part in record)
    return f"| `{words}` | {meaning} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
