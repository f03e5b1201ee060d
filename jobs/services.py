"""
What the jobs need from outside: filled in by settings, asked for by `ctx.get(Services)`.

Everything is a Protocol or plain data, so that a test can hand in its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from jobs.content_cache import ContentCache
    from jobs.notifications.notifier import Notifier
    from jobs.sources.source import Source
    from jobs.store import ChannelStore


class SourceOpener(Protocol):
    """Opens a source by its kind and location, from a cache where it is unchanged."""

    async def __call__(self, location: str, kind: str | None = None) -> Source:
        """
        Read and understand the source.

        Raises:
            SourceError: It cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """
    One worker's access to the world.

    reports_dir: renderings are written below it, a folder for each channel. report_paper: what a
    report is printed on. chart_cache: keeps drawn charts by content; None: they are drawn anew.
    """

    store: ChannelStore
    open_source: SourceOpener
    notifier: Notifier
    reports_dir: Path
    report_paper: Literal["a4", "letter"] = "a4"
    chart_cache: ContentCache | None = None
