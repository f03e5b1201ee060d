"""
What the jobs need from outside: made by settings, and read by `ctx.get(Services)`.

Everything is a protocol or plain data, so that a test can pass its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from jobs import apart
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
        Return what is at *location*; what is damaged is returned as an error, not raised.

        mapping: a file that says what the columns of a CSV mean.
        """
        ...

    async def feeds_listed(self, location: str) -> list[str] | None:
        """
        Return the addresses in the list of feeds at *location*; None if it is no such list.

        Raises:
            SourceError: The list is damaged.
        """
        ...

    async def guess_mapping(self, location: str) -> str:
        """
        Return a mapping file for the list in the file at *location*, as TOML.

        Raises:
            SourceError: It is no list, or nothing of it was understood.
        """
        ...

    async def read(self, ref: SourceRef, channel_id: str, memory: SourceMemory) -> SourceResult:
        """
        Read what a source has about a channel now, or what changed since *memory*.

        Raises:
            QuotaError: Its quota for today is used up; the error holds what was read until then.
            SourceError: It cannot be read, or does not have the channel.
        """
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """
    One worker's access to the world.

    targets: who gets which notifications. reports_dir: renderings are written below it, in a
    folder for each channel. report_paper: what a report is printed on. pace: how often scheduled
    channels are synced. run: where commands and pages do what jobs do by `ctx.offload`.
    """

    store: ChannelStore
    sources: SourceAccess
    targets: Sequence[Target]
    reports_dir: Path
    report_paper: Literal["a4", "letter"] = "a4"
    pace: Pace = field(default_factory=Pace)
    run: apart.Run = apart.in_thread
