"""Give a channel a title of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jobs.channel.text import one_line
from jobs.commands.channels.choice import choose_channel
from runner.commands.output import print_document
from runner.commands.printing import echo

if TYPE_CHECKING:
    from jobs.commands.host import Host


async def rename_channel(host: Host, words: str, title: str, *, as_json: bool) -> None:
    """Call the channel that *words* name *title*, and say what it was called."""
    title = one_line(title)
    if not title:
        raise click.ClickException("a title needs at least one letter")
    async with host.open_services() as services:
        store = services.store
        channel = choose_channel(await store.channels.all(), words)
        await store.channels.rename(channel.id, title)
    if as_json:
        print_document({"id": channel.id, "title": title, "before": channel.title})
    else:
        echo(f"{channel.title} is called {title} now ({channel.id}); its next report says so.")
