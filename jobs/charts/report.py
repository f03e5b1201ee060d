"""
The report of a channel: one HTML file that needs nothing else, to be read, printed and sent.

On top what changed, why it matters and what to do; then the evidence. No scripts, no requests,
light and dark; whatever comes from outside (titles, names, addresses) is escaped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from markupsafe import Markup

from jobs.analysis.wording import day, noun, number, short, times
from jobs.charts import story, theme
from jobs.charts.render import embedded_svg
from jobs.charts.templates import template
from jobs.recommendations import why_none
from jobs.records import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobs.analysis import ChannelAnalysis
    from jobs.analysis.items import RankedItem
    from jobs.records import ChannelRecord

_MINUTE = 60
_PLATFORMS = {Platform.YOUTUBE: "YouTube", Platform.PODCAST: "Podcast", Platform.STREAM: "Streams"}


class DrawnFrom(Protocol):
    """A chart, fresh or from the store."""

    @property
    def key(self) -> str:
        """Its name among the channel's charts."""
        ...

    @property
    def title(self) -> str:
        """Its finding."""
        ...

    @property
    def spec(self) -> Mapping[str, Any]:
        """Its Vega-Lite specification."""
        ...

    @property
    def alt(self) -> str:
        """What it shows, in words."""
        ...


class Advised(Protocol):
    """A recommendation, fresh or from the store; its evidence tells itself in `sentence`."""

    @property
    def title(self) -> str:
        """The finding."""
        ...

    @property
    def advice(self) -> str:
        """What to do."""
        ...

    @property
    def strength(self) -> str:
        """How sure that is, in words."""
        ...

    @property
    def evidence(self) -> Mapping[str, Any]:
        """What it rests on."""
        ...


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart as it stands in a page: heading, inline *svg*, how to read it, what it shows."""

    key: str
    title: str
    svg: str
    reading: str
    alt: str


def figure(chart: DrawnFrom) -> Figure:
    """Draw *chart* for a page. CPU-bound, some tens of milliseconds."""
    reading = chart.spec.get("title", {}).get("subtitle", [])
    return Figure(
        key=chart.key,
        title=chart.title,
        svg=embedded_svg(chart.spec, chart.key),
        reading=" ".join(reading),
        alt=chart.alt,
    )


def render_report(
    channel: ChannelRecord,
    analysis: ChannelAnalysis,
    figures: Sequence[Figure],
    recommendations: Sequence[Advised],
    *,
    source_note: str = "",
) -> str:
    """
    Return the report as one self-contained HTML document.

    *source_note* says where the data comes from. The same arguments give the same text: there
    is no clock in it. A channel marked as generated is labelled so on top, in print, too.
    """
    items = analysis.items
    return template("report.html.j2").render(
        channel=channel,
        link=_safe_link(channel.url),
        analysis=analysis,
        platform=_PLATFORMS.get(analysis.platform, ""),
        thing=noun(analysis.platform),
        covered=story.covered(analysis),
        source_note=source_note,
        key_figures=story.key_figures(analysis),
        what_changed=story.what_changed(analysis),
        why_it_matters=story.why_it_matters(analysis),
        recommendations=recommendations,
        why_none=why_none(analysis),
        # Vega escapes the text that it puts into the drawing.
        figures=[(each, Markup(each.svg)) for each in figures],  # noqa: S704
        top=[_row(item) for item in items.top] if items.present else [],
        notes=analysis.coverage.notes if analysis.coverage.present else [],
        not_told=story.not_told(analysis),
        theme=theme,
    )


def _row(item: RankedItem) -> dict[str, str]:
    rate = None if item.likes is None or not item.views else 1000 * item.likes / item.views
    return {
        "title": item.title,
        "published": "–" if item.published_at is None else day(item.published_at.date()),
        "length": "–" if item.duration_s is None else _length(item.duration_s),
        "views": short(item.views),
        "ratio": "–" if item.ratio is None else times(item.ratio),
        "likes": "–" if rate is None else number(rate),
    }


def _length(seconds: int) -> str:
    minutes, rest = divmod(seconds, _MINUTE)
    hours, minutes = divmod(minutes, _MINUTE)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _safe_link(url: str | None) -> str | None:
    """A channel's address comes from outside: only web addresses become links."""
    return url if url and urlsplit(url).scheme in {"http", "https"} else None
