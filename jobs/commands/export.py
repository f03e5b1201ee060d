"""`pipeline export`: tables of the store, for other programs."""

from __future__ import annotations

import asyncio
import os
import uuid
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import click

from jobs.commands.channels.choice import choose_channel
from runner.commands.output import print_document
from runner.commands.printing import echo
from runner.commands.run_command import run_async
from runner.private_files import share
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobs.commands.host import Host

What = Literal[
    "items",
    "item-snapshots",
    "channel-snapshots",
    "gains",
    "item-gains",
    "figures",
    "item-figures",
    "forecasts",
    "recommendations",
]
_Format = Literal["csv", "parquet"]


@dataclass(frozen=True, slots=True)
class _Wish:
    words: tuple[str, ...]
    what: What
    file_format: _Format
    output: Path
    raw: bool


@click.command
@click.argument("channel", metavar="[CHANNEL]…", nargs=-1)
@click.option(
    "--what",
    type=click.Choice(get_args(What)),
    default="channel-snapshots",
    show_default=True,
    help="Which table.",
)
@click.option(
    "--format",
    "file_format",
    type=click.Choice(get_args(_Format)),
    help="By default parquet if FILE ends in .parquet, else csv.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write it there; an existing file is replaced once all is written.",
)
@click.option(
    "--raw",
    is_flag=True,
    help="Leave texts in a CSV as they are, though a spreadsheet may run them.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was written as one JSON object.")
@click.pass_obj
def export(
    host: Host,
    *,
    channel: tuple[str, ...],
    what: What,
    file_format: _Format | None,
    output: Path,
    raw: bool,
    as_json: bool,
) -> None:
    """
    Write what is stored about each CHANNEL, or about all, to a CSV or Parquet file.

    A table may have any length: it is read and written piece by piece. In a CSV, a text that a
    spreadsheet would run as a formula begins with a quote ('), which is not part of it.
    """
    host.configure_logs()
    named: _Format = "parquet" if output.suffix == ".parquet" else "csv"
    rows = run_async(_export(host, _Wish(channel, what, file_format or named, output, raw)))
    if as_json:
        print_document({"what": what, "rows": rows, "path": str(output.absolute())})
    else:
        echo(f"{counted(rows, 'row')} in {output}")


async def _export(host: Host, wish: _Wish) -> int:
    from jobs.commands.export_tables import Table

    if not wish.output.absolute().parent.is_dir():
        raise click.ClickException(f"{wish.output}: there is no such folder; make it first")
    async with host.open_services() as services:
        ids: list[str] | None = None
        if wish.words:
            known = await services.store.channels.all()
            ids = list(dict.fromkeys(choose_channel(known, words).id for words in wish.words))
        table = Table(services.store, wish.what, ids, asyncio.get_running_loop())
        return await asyncio.to_thread(_write, partial(table.write, raw=wish.raw), wish)


def _write(write: Callable[[Path, str], int], wish: _Wish) -> int:
    """Write beside the file first, so that no reader finds half of it."""
    unfinished = wish.output.with_name(f".{wish.output.name}.{uuid.uuid4().hex}.part")
    try:
        rows = write(unfinished, wish.file_format)
        share(unfinished)
        os.replace(unfinished, wish.output)  # noqa: PTH105 -- replaces an existing file on every system
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return rows
