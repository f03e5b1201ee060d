"""`pipeline run SOURCE…`: the main job on a person's channels, from sources to reports."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from runner.commands.completion import files
from runner.commands.output import print_document
from runner.commands.run_command import EXIT_INTERRUPTED, EXIT_WRONG, run_async, tell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from jobs.commands.host import Host
    from jobs.commands.run.source_list import Reading, SourceList
    from jobs.commands.run.summary import Summary
    from jobs.commands.run.work import ChannelRun

EXIT_DEAD = 1
"""Exit status if a job died, a report was not made, or the timeout came first."""


@click.command
@click.argument("sources", metavar="SOURCE…", nargs=-1, required=True, shell_complete=files)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
@click.option("--no-progress", is_flag=True, help="Show plain lines instead of moving bars.")
@click.option(
    "--reports/--no-reports",
    default=True,
    show_default=True,
    help="Draw charts and make reports.",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Stop gracefully after so long; run again to continue.",
)
@click.option(
    "--mapping",
    type=click.Path(dir_okay=False),
    metavar="MAP.toml",
    help="Read CSVs by this file, which says what their columns mean.",
)
@click.option(
    "--name", metavar="TITLE", help="Call the channel so, where its sources do not name it."
)
@click.option("--strict", is_flag=True, help="Refuse a source with any rejected row.")
@click.pass_context
def run(
    context: click.Context,
    *,
    sources: tuple[str, ...],
    mapping: str | None,
    name: str | None,
    strict: bool,
    as_json: bool,
    no_progress: bool,
    reports: bool,
    timeout_s: float | None,
) -> None:
    """
    Sync, analyse and report every channel of each SOURCE.

    A SOURCE is a file (counters or a video list as CSV, a Studio export, a YouTube or podcast
    feed; plain, .gz, .zip or .xlsx), a folder of such files, the address of a feed, or samples:
    for generated channels; with YOUTUBE_API_KEY set, youtube:@handle or the address of a channel
    on YouTube.
    docs/sources.md has every layout, and the mapping file for any other.

    Exit status: 0; 1 if a job died, a report was not made, or the timeout came first; 2 if a
    source was refused.
    """
    from jobs.commands.run.source_list import Reading
    from runner.commands.console import SafeConsole

    progress = SafeConsole(stderr=True)
    live = progress.is_terminal and not no_progress
    host: Host = context.obj
    host.check()
    reading = Reading(host.rejects_dir, mapping, strict, name)
    status = run_async(
        _run(
            host,
            sources,
            reading,
            progress,
            live=live,
            as_json=as_json,
            reports=reports,
            timeout_s=timeout_s,
        )
    )
    context.exit(status)


async def _run(
    host: Host,
    locations: Sequence[str],
    reading: Reading,
    console: Console,
    *,
    live: bool,
    as_json: bool,
    reports: bool,
    timeout_s: float | None,
) -> int:
    from jobs.commands.run.logs import run_logs
    from jobs.commands.run.progress import display
    from jobs.commands.run.source_list import find_sources
    from jobs.commands.run.summary import summarize
    from jobs.commands.run.whose import as_registered
    from jobs.commands.run.work import ChannelRun
    from jobs.services import Services

    started = time.monotonic()
    # First of all: the processes load their libraries while this one imports its own.
    async with host.warmed_up():
        async with host.sources() as access:
            sources = await find_sources(access, locations, console, reading)
        channels = sources.channels()
        if not channels:
            return _nothing_to_do(sources, as_json=as_json)
        with run_logs(host.make_log_file(), console):
            async with host.open() as place:
                store = place.get(Services).store
                channels = await as_registered(store, channels, reading.name)
                work = ChannelRun(
                    place,
                    host.queues,
                    channels,
                    console.print,
                    reports=reports,
                    timeout_s=timeout_s,
                )
                with display(console, host.queues, live=live) as shown:
                    await work.go(shown, name=reading.name)
                if work.interrupted:
                    _report_interrupted(work, time.monotonic() - started)
                    return EXIT_INTERRUPTED
                if work.lost:
                    tell(work.lost)
                    return EXIT_DEAD
                summary = await summarize(place.get(Services), sources, channels, work, started)
    _show(summary, as_json=as_json)
    _report_unfinished(work, summary, sources)
    if work.timed_out or summary.dead_jobs or _lacks_reports(work, summary):
        return EXIT_DEAD
    return EXIT_WRONG if sources.refused else 0


def _nothing_to_do(sources: SourceList, *, as_json: bool) -> int:
    from jobs.commands.run.summary import Summary

    if as_json:
        print_document(Summary.of_nothing(sources).document)
    if not sources.refused:
        tell("the sources contain no channel: nothing to do")
    return EXIT_WRONG


def _show(summary: Summary, *, as_json: bool) -> None:
    from runner.commands.console import SafeConsole

    if as_json:
        print_document(summary.document)
    else:
        summary.show(SafeConsole())


def _report_interrupted(work: ChannelRun, seconds: float) -> None:
    tell(
        f"interrupted after {seconds:.0f} s, {work.channels_done} of {len(work.channels)} channels "
        "done; what is queued stays: run the same command again to continue"
    )


def _lacks_reports(work: ChannelRun, summary: Summary) -> bool:
    """Whether a report that was to be made is not there; if no job died to explain it, say so."""
    lacking = [channel for channel in summary.channels if not summary.has_report(channel)]
    if not (work.reports and lacking):
        return False
    if not (work.timed_out or summary.dead_jobs):
        of = lacking[0].title if len(lacking) == 1 else f"{len(lacking)} channels"
        tell(f"no report was made of {of}; see `pipeline dead` for its job, and run again")
    return True


def _report_unfinished(work: ChannelRun, summary: Summary, sources: SourceList) -> None:
    from jobs.sources.source import shown

    if work.timed_out:
        tell(
            f"stopped after {work.timeout_s:g} s, {work.channels_done} of {len(work.channels)} "
            "channels done; what is queued stays: run the same command again to continue"
        )
    for job in summary.dead_jobs:
        tell(
            f"job died: {job.job} in {job.queue}, channel {job.channel_id}: {job.error} "
            f"(job {job.job_id}); correct the cause and run again"
        )
    if sources.refused:
        count = len(sources.refused)
        tell(
            f"{count} sources were refused, see above"
            if count > 1
            else f"1 source was refused, see above: {shown(sources.refused[0].location)}"
        )
