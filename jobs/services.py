"""
What the jobs need from outside: filled in by settings, asked for by `ctx.get(Services)`.

Everything is a Protocol or plain data, so that a test can hand in its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from jobs.sync_pace import Pace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from jobs.channel.records import SourceRef, SourceResult
    from jobs.notifications.target import Target
    from jobs.sources import Finding
    from jobs.sources.memory import SourceMemory
    from jobs.store import ChannelStore


class SourceAccess(Protocol):
    """Finds sources and reads them, with this process's keys and limits."""

    async def discover(self, location: str, mapping: str | None = None) -> list[Finding]:
        """
        Look into *location*, and give what is there; nothing is raised for what is damaged.

        mapping: a file that says what the columns of a CSV tell.
        """
        ...

    async def read(self, ref: SourceRef, channel_id: str, memory: SourceMemory) -> SourceResult:
        """
        Read what a source says of a channel now, or what changed since *memory*.

        Raises:
            QuotaError: Its quota is used up for today; it holds what was read until then.
            SourceError: It cannot be read, or does not know the channel.
        """
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """
    One worker's access to the world.

    targets: who is told of what. reports_dir: renderings are written below it, a folder for each
    channel. report_paper: what a report is printed on. pace: how often scheduled channels
    are synced.
    """

    store: ChannelStore
    sources: SourceAccess
    targets: Sequence[Target]
    reports_dir: Path
    report_paper: Literal["a4", "letter"] = "a4"
    pace: Pace = field(default_factory=Pace)
