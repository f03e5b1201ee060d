"""`pipeline top`: what stands in the queues and who works, live; and every action, by a key."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from runner.commands.host import Host


@click.command
@click.pass_obj
def top(host: Host) -> None:
    """Watch queues, workers and jobs live, and act on them; ? lists the keys."""
    try:
        import textual  # noqa: F401 -- looked for before Redis is
    except ImportError:
        raise click.ClickException(
            "pipeline top needs Textual: install channel-pipeline[terminal]"
        ) from None
    # In asyncio's own loop: Textual has tasks start eagerly, which uvloop asks of early releases of
    # Python 3.13 in words that they do not know.
    asyncio.run(_watch(host))


async def _watch(host: Host) -> None:
    from runner.terminal.app import Top

    async with host.operator_session() as session:
        await Top(session).run_async()
