"""One page with every channel's report: what it says first, those that changed most at the top."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jobs.report_files import write_whole
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.channel.records import ChannelRecord
    from jobs.services import Services

_FIGURES = 3
_SAMPLES = "These channels do not exist: a program made their numbers up."
_SOME_SAMPLES = "What is marked so does not exist: a program made its numbers up."


async def write_report_index(services: Services) -> Path | None:
    """
    Write `index.html` beside the reports of all channels in the store, and return its path.

    Channels whose last week is farthest from what is usual for them come first. Without a report,
    nothing is written: None.

    Raises:
        OSError: The file cannot be written.
    """
    store = services.store
    channels = await store.channels.all()
    ids = [channel.id for channel in channels]
    reports = await store.renderings.report_paths(ids)
    if not reports:
        return None
    said = await store.renderings.summaries_of(list(reports))
    shown = [channel for channel in channels if channel.id in reports]
    shown.sort(key=lambda one: _order(one, said.get(one.id)))
    path = services.reports_dir / "index.html"
    page = await asyncio.to_thread(
        _page,
        [(one, reports[one.id], said.get(one.id, (0.0, {}))[1]) for one in shown],
        services.reports_dir,
    )
    await asyncio.to_thread(write_whole, path, page.encode())
    return path


def _order(
    channel: ChannelRecord, said: tuple[float, Mapping[str, Any]] | None
) -> tuple[float, bool, str]:
    """What changed most comes first, then what is known by the day, then the rest; by title."""
    change, content = said or (0.0, {})
    return -change, not content.get("gains"), channel.title.casefold()


def _link(path: str, folder: Path) -> str:
    return quote(Path(os.path.relpath(path, folder)).as_posix())


def _page(reports: list[tuple[ChannelRecord, str, Mapping[str, Any]]], folder: Path) -> str:
    """Imports here: pages and their templates are needed at the end of a run only."""
    from jobs.charts.index_page import index_page, indexed

    advice = sum(len(content.get("advice", ())) for _, _, content in reports)
    made_up = [channel for channel, _, _ in reports if channel.generated]
    note = _SAMPLES if len(made_up) == len(reports) else _SOME_SAMPLES
    marked = len(made_up) < len(reports)
    return index_page(
        counted(len(reports), "channel")
        + (f", {counted(advice, 'recommendation')}" if advice else ""),
        [
            indexed(channel, _link(path, folder), content, figures=_FIGURES, marked=marked)
            for channel, path, content in reports
        ],
        generated=note if made_up else "",
    )
