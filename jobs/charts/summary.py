"""
What a report says first, as plain data that is stored: lists, the index and pages show it.

All words come from the report's own document, so that none of them says anything else.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from jobs.analysis.wording import audience, change, short, times
from jobs.channel.records import Platform
from jobs.charts.phrases import is_fresh

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.analysis import ChannelAnalysis
    from jobs.charts.document import Document

SPARK_DAYS: Final = 90
"""So many days are drawn in a list."""

_FIRST_PAGE: Final = (
    "headline",
    "generated",
    "platform",
    "covered",
    "footnote",
    "what_changed",
    "why_it_matters",
    "why_none",
    "without_evidence",
    "thing",
)
_FAR: Final = 1.0
_CARRYING: Final = 5
_VIDEO: Final = re.compile(r"[A-Za-z0-9_-]{11}")


def change_of(analysis: ChannelAnalysis) -> float:
    """Return how far the last week is from the usual: widths of its band, negative below it."""
    if analysis.usual.present:
        return analysis.usual.standing
    fresh = _fresh_hit(analysis)
    return 0.0 if fresh is None else (fresh - 1) / 4


def content_of(document: Document, analysis: ChannelAnalysis) -> dict[str, Any]:
    """Return the first page of *document*, and what a list shows of it."""
    growth, found = analysis.growth, analysis.usual
    views = growth.views if growth.present and growth.views.present else None
    week = views.week if views is not None and views.week.present else None
    subscribers = growth.subscribers if growth.present and growth.subscribers.present else None
    recent = analysis.recent
    return {
        **{name: getattr(document, name) for name in _FIRST_PAGE},
        "tile": asdict(document.tile),
        "cautions": [asdict(one) for one in document.cautions],
        "key_figures": [asdict(one) for one in document.key_figures],
        "advice": [asdict(one) for one in document.advice],
        "as_of": None if document.as_of is None else document.as_of.isoformat(),
        "change": change_of(analysis),
        "mark": _mark(analysis),
        "usual": f"{short(found.low)} to {short(found.high)}" if found.present else "",
        "low": found.low if found.present else None,
        "high": found.high if found.present else None,
        "last_day": recent.last_day.isoformat() if recent.present else None,
        "gains": recent.gains[-SPARK_DAYS:] if recent.present else [],
        "a_day": None if week is None else short(week.last_mean),
        "on_week_before": None if week is None else change(week.ratio),
        "audience": None if subscribers is None else short(subscribers.last),
        "audience_name": audience(analysis.platform).lower(),
        "items": analysis.coverage.items_listed if analysis.coverage.present else 0,
        "carries": list(islice(_carries(analysis), _CARRYING)),
    }


def series_of(analysis: ChannelAnalysis) -> dict[str, Any]:
    """Return the data of the main chart: days, the usual, what was unusual, what is expected."""
    recent, found, ahead = analysis.recent, analysis.usual, analysis.forecast
    if not recent.present:
        return {}
    expected = ahead.views.days if ahead.present and ahead.views.present else []
    return {
        "last_day": recent.last_day.isoformat(),
        "gains": recent.gains,
        "low": found.low if found.present else None,
        "high": found.high if found.present else None,
        "unusual": [
            {"day": one.day.isoformat(), "ratio": times(one.ratio)}
            for one in (analysis.outliers.days if analysis.outliers.present else [])
        ],
        "ahead": [
            {"day": one.day.isoformat(), "value": one.value, "low": one.low, "high": one.high}
            for one in expected
        ],
    }


def _mark(analysis: ChannelAnalysis) -> str:
    """Return in two words what is unusual: “well above”; empty if nothing is."""
    found = analysis.usual
    if not found.present:
        return "one item" if _fresh_hit(analysis) is not None else ""
    if not found.standing:
        return ""
    far = "well " if abs(found.standing) >= _FAR else ""
    return f"{far}{'above' if found.standing > 0 else 'below'}"


def _fresh_hit(analysis: ChannelAnalysis) -> float | None:
    """Return how many times the usual a new item has reached, if one stands out."""
    hits = analysis.items.standouts if analysis.items.present else []
    return max((one.ratio for one in hits if one.ratio and is_fresh(one, analysis)), default=None)


def _carries(analysis: ChannelAnalysis) -> Iterator[dict[str, Any]]:
    """Yield the items that bring most: lately where that is known, else of all time."""
    ratios = {}
    if analysis.items.present:
        known = (*analysis.items.top, *analysis.items.standouts, *analysis.items.laggards)
        ratios = {one.item_id: one.ratio for one in known if one.ratio}
    if analysis.items_daily.present:
        for one in analysis.items_daily.items:
            words = f"+{short(one.last_week)} in 7 days"
            yield _carrier(analysis, one.item_id, one.title, words, ratios)
        return
    for item in analysis.items.top if analysis.items.present else []:
        yield _carrier(analysis, item.item_id, item.title, f"{short(item.views)} in all", ratios)


def _carrier(
    analysis: ChannelAnalysis, item_id: str, title: str, words: str, ratios: dict[str, float]
) -> dict[str, Any]:
    ratio = ratios.get(item_id)
    on_youtube = analysis.platform is Platform.YOUTUBE and _VIDEO.fullmatch(item_id)
    return {
        "title": title,
        "words": words,
        "ratio": None if ratio is None else times(ratio),
        "link": f"https://www.youtube.com/watch?v={item_id}" if on_youtube else None,
    }
