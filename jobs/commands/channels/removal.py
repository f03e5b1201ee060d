"""Remove a channel, after showing what is removed with it."""

from __future__ import annotations

import asyncio
import shutil
import sys
from typing import TYPE_CHECKING

import click

from jobs.commands.channels.choice import choose_channel
from jobs.report_files import folder_name
from runner.commands.output import print_document
from runner.commands.printing import echo
from runner.visible import visible
from runner.wording import counted

if TYPE_CHECKING:
    from pathlib import Path

    from jobs.channel.records import ChannelRecord
    from jobs.commands.host import Host
    from jobs.store import ChannelCounts


async def remove_channel(host: Host, words: str, *, sure: bool, as_json: bool) -> None:
    """
    Remove the channel that *words* name from the store, and its files from the reports.

    Raises:
        click.ClickException: *words* name no channel, or several; or nobody can confirm.
    """
    async with host.open_services() as services:
        store = services.store
        channel = choose_channel(await store.channels.all(), words)
        counts = (await store.channels.counts([channel.id]))[channel.id]
        folder = services.reports_dir / folder_name(channel.id)
        files = await asyncio.to_thread(_count_files, folder)
        if not sure:
            _ask(channel, counts, files)
        await store.channels.remove(channel.id)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    if as_json:
        print_document({"id": channel.id, "title": channel.title, "files": files})
    else:
        echo(f"Removed {channel.title} ({channel.id}).")


def _ask(channel: ChannelRecord, counts: ChannelCounts, files: int) -> None:
    snapshots = counts.channel_snapshots + counts.item_snapshots
    goes = (
        f"{channel.title} ({channel.id}): {counted(counts.items, 'item')}, "
        f"{counted(snapshots, 'snapshot')}, {counts.analyses:,} "
        f"{'analysis' if counts.analyses == 1 else 'analyses'}, {counted(files, 'file')}"
    )
    if not sys.stdin.isatty():
        raise click.ClickException(f"this would remove {goes}; give --yes to remove it")
    click.confirm(visible(f"{goes}. Remove it?"), abort=True, err=True)


def _count_files(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))
