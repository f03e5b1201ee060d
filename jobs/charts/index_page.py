"""The index of reports as one HTML page: no scripts, no requests, light and dark."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from jobs.analysis.wording import day
from jobs.charts.document import PLATFORMS
from jobs.charts.gains import bars, span
from jobs.charts.templates import template
from jobs.charts.theme import DARK, LIGHT
from jobs.charts.tile import Tile, plain_title, tile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markupsafe import Markup

    from jobs.channel.records import ChannelRecord


@dataclass(frozen=True, slots=True)
class Indexed:
    """A channel in the index: what its report says first, and where that is."""

    title: str
    link: str
    tile: Tile
    about: str
    headline: str
    advice: str
    strength: str
    why_none: str
    figures: Sequence[Mapping[str, str]]
    bars: Markup | None
    first: str
    last: str
    usual: str


def indexed(
    channel: ChannelRecord,
    link: str,
    content: Mapping[str, Any],
    *,
    figures: int,
    marked: bool,
) -> Indexed:
    """
    Return how *channel* stands in the index, with the first *figures* of its report.

    *content* is that of its report's summary; a report by an earlier version has none. With
    *marked*, a generated channel says so itself.
    """
    advice = content.get("advice") or []
    days = span(content) if content else None
    about = [PLATFORMS.get(channel.platform, ""), content.get("covered", "")]
    if marked and channel.generated:
        about.insert(0, "generated sample")
    if any(one["lead"] == "Old data." for one in content.get("cautions", ())):
        newest = date.fromisoformat(content["as_of"][:10])
        about.append(f"old data, until {day(newest)}")
    return Indexed(
        title=plain_title(channel.title, generated=channel.generated),
        link=link,
        tile=tile(channel.id, channel.title),
        about=" · ".join(one for one in about if one),
        headline=content.get("headline", "Open the report"),
        advice=advice[0]["advice"] if advice else "",
        strength=advice[0]["strength"] if advice else "",
        why_none=content.get("why_none", ""),
        figures=content.get("key_figures", [])[:figures],
        bars=bars(content) if days else None,
        first=f"{days[0].day} {days[0]:%b}" if days else "",
        last=day(days[1]) if days else "",
        usual=content.get("usual", ""),
    )


def index_page(summary: str, reports: Sequence[Indexed], *, generated: str) -> str:
    """Return the page; *generated* says that channels are made up, empty if none is."""
    return template("index.html.j2").render(
        summary=summary,
        reports=reports,
        generated=generated,
        light=asdict(LIGHT),
        dark=asdict(DARK),
    )
