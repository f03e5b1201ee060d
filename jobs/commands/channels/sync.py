"""Sync channels on request: enqueue the jobs, or work on them here until they are done."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from jobs.commands.channels.choice import choose_channel
from jobs.commands.run.logs import run_logs
from jobs.commands.run.progress import display
from jobs.commands.run.source_list import FoundChannel
from jobs.commands.run.work import ChannelRun
from jobs.services import Services
from jobs.sync_channel import sync_now
from runner.commands.console import SafeConsole
from runner.commands.output import print_document
from runner.commands.printing import echo
from runner.commands.run_command import EXIT_INTERRUPTED, tell
from runner.current import use
from runner.worker.heartbeat import live_workers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.channel.records import ChannelRecord
    from jobs.commands.host import Host, Workplace

_EXIT_DEAD = 1


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person requested; no *words* mean every channel."""

    words: Sequence[str]
    wait: bool
    reports: bool
    as_json: bool


async def sync_channels(host: Host, wish: Wish) -> int:
    """Sync the channels, and return the exit status."""
    console = SafeConsole(stderr=True)
    host.check()
    with run_logs(host.make_log_file(), console):
        warm = host.warmed_up() if wish.wait else nullcontext()
        async with warm, host.open() as place:
            known = await place.get(Services).store.channels.all()
            chosen = [choose_channel(known, words) for words in wish.words] or known
            chosen = list(dict.fromkeys(chosen))
            if not chosen:
                raise click.ClickException("no channel is stored yet: pipeline channels add")
            if wish.wait:
                return await _work(host, place, chosen, wish, console)
            await _enqueue(host, place, chosen, wish)
            return 0


async def _enqueue(
    host: Host, place: Workplace, chosen: Sequence[ChannelRecord], wish: Wish
) -> None:
    use(place.redis)
    handles = await sync_now.enqueue_many(
        [{"channel_id": channel.id, "report": wish.reports} for channel in chosen]
    )
    working = await live_workers(place.redis, list(host.queues))
    if wish.as_json:
        jobs = [
            {"channel_id": channel.id, "job_id": handle.id}
            for channel, handle in zip(chosen, handles, strict=True)
        ]
        print_document({"enqueued": jobs})
    else:
        echo(f"{len(chosen):,} queued.")
    if not any(working.values()):
        tell("no worker is alive: start pipeline up, or give --wait to work on them here")


async def _work(
    host: Host, place: Workplace, chosen: Sequence[ChannelRecord], wish: Wish, console: SafeConsole
) -> int:
    """Work with our own workers, beside any others."""
    channels = {channel.id: FoundChannel(channel) for channel in chosen}
    work = ChannelRun(place, host.queues, channels, console.print, reports=wish.reports)
    with display(console, host.queues, live=console.is_terminal) as shown:
        await work.go(shown)
    if wish.as_json:
        document = {
            "channels": [channel.id for channel in chosen],
            "channels_done": work.channels_done,
            "dead_jobs": [asdict(job) for job in work.dead_jobs],
        }
        print_document(document)
    elif not work.interrupted:
        echo(f"{work.channels_done:,} of {len(chosen):,} synced.")
    for job in work.dead_jobs:
        tell(f"job died: {job.job} in {job.queue}, channel {job.channel_id}: {job.error}")
    if work.interrupted:
        tell("interrupted; what is queued stays: run the same command again to continue")
        return EXIT_INTERRUPTED
    return _EXIT_DEAD if work.dead_jobs else 0
