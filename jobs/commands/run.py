"""`pipeline run SOURCE…`: the main job on one's own channels, from their sources to reports."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import click

from runner.commands.plainly import EXIT_INTERRUPTED, EXIT_WRONG, run_async

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from rich.console import Console

    from jobs.commands.run_progress import Follower, RunProgress
    from jobs.commands.run_summary import DeadJob, Summary
    from jobs.commands.source_list import FoundChannel, SourceList
    from jobs.services import Services
    from runner import Batch, Fleet, QueueClient

EXIT_DEAD = 1
"""Exit status where a job died, or the time was over before all were done."""


class Workplace(Protocol):
    """Redis answers, and all that the jobs need is open."""

    @property
    def redis(self) -> QueueClient: ...  # noqa: D102
    @property
    def services(self) -> Services: ...  # noqa: D102
    @property
    def redis_is_private(self) -> bool: ...  # noqa: D102
    def fleet(self, queues: Sequence[str]) -> Fleet: ...  # noqa: D102


class Host(Protocol):
    """The application, as this command sees it."""

    @property
    def queues(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def log_file(self) -> Path: ...  # noqa: D102
    def open(self) -> AbstractAsyncContextManager[Workplace]: ...  # noqa: D102


@click.command
@click.argument("locations", metavar="SOURCE…", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
@click.option("--no-progress", is_flag=True, help="Plain lines instead of moving bars.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Stop, with grace, after so long; run again to go on.",
)
@click.pass_context
def run(
    context: click.Context,
    locations: tuple[str, ...],
    as_json: bool,  # noqa: FBT001 -- click passes by name
    no_progress: bool,  # noqa: FBT001
    timeout_s: float | None,
) -> None:
    """
    Sync, analyse and report every channel of each SOURCE.

    A SOURCE is a file (daily counters or a video list as CSV, a YouTube or podcast feed; plain
    or .gz), a folder of such files, an address of a feed, or samples: for generated channels.

    Exit status: 0; 1 if a job died or time was over; 2 if a source was refused.
    """
    from rich.console import Console

    errors = Console(stderr=True, highlight=False)
    live = errors.is_terminal and not no_progress
    host: Host = context.obj
    context.exit(run_async(_Run(host, errors, live=live, timeout_s=timeout_s)(locations, as_json)))


@dataclass(slots=True)
class _Run:
    """One run; calling it gives the exit status."""

    host: Host
    errors: Console
    live: bool
    timeout_s: float | None

    async def __call__(self, locations: Sequence[str], as_json: bool) -> int:  # noqa: FBT001
        from jobs.commands.source_list import find_sources

        started = time.monotonic()
        sources = await find_sources(locations, self.errors)
        ...
        return 0
