"""One page with a link to every channel's report."""

from __future__ import annotations

import asyncio
import html
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from runner.wording import counted

if TYPE_CHECKING:
    from jobs.channel.records import ChannelRecord
    from jobs.services import Services
    from jobs.store import ChannelCounts

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Channel reports</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 3rem auto; }}
body {{ padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .35rem .6rem; text-align: right; border-bottom: 1px solid #8884; }}
th {{ font-weight: 600; }}
th:first-child, td:first-child {{ text-align: left; padding-left: 0; }}
.generated {{ border: 1px solid; border-radius: .3rem; padding: 0 .3rem; font-size: .75em; }}
</style>
</head>
<body>
<h1>Channel reports</h1>
<p>{summary}</p>
<table>
<thead><tr><th>Channel</th><th>Items</th><th>Snapshots</th><th>Charts</th><th>Recommendations</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</body>
</html>
"""


async def write_report_index(services: Services) -> Path | None:
    """
    Write `index.html` beside the reports of all channels in the store, and return its path.

    Channels with recommendations come first. Without a report, nothing is written: None.

    Raises:
        OSError: The file cannot be written.
    """
    store = services.store
    channels = await store.channels.all()
    ids = [channel.id for channel in channels]
    reports = await store.renderings.report_paths(ids)
    if not reports:
        return None
    counts = await store.channels.counts(ids)
    lines = []
    for channel in sorted(
        channels, key=lambda one: (-counts[one.id].recommendations, one.title.casefold())
    ):
        report = reports.get(channel.id)
        if report is not None:
            lines.append(_row(channel, counts[channel.id], report, services.reports_dir))
    advice = sum(one.recommendations for one in counts.values())
    summary = f"{counted(len(lines), 'channel')}, {counted(advice, 'recommendation')}."
    path = services.reports_dir / "index.html"
    await asyncio.to_thread(_write, path, _PAGE.format(summary=summary, rows="\n".join(lines)))
    return path


def _row(channel: ChannelRecord, counts: ChannelCounts, report: str, folder: Path) -> str:
    mark = ' <span class="generated">generated</span>' if channel.generated else ""
    link = quote(Path(os.path.relpath(report, folder)).as_posix())
    numbers = (
        counts.items,
        counts.channel_snapshots + counts.item_snapshots,
        counts.charts,
        counts.recommendations,
    )
    cells = "".join(f"<td>{number:,}</td>" for number in numbers)
    return f'<tr><td><a href="{link}">{html.escape(channel.title)}</a>{mark}</td>{cells}</tr>'


def _write(path: Path, page: str) -> None:
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.write_text(page, encoding="utf-8")
    unfinished.replace(path)
