"""What only an owner knows of items: how often they were shown, clicked, watched, subscribed to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import polars as pl

from jobs.analysis.owner_figures import FEWEST_IMPRESSIONS, newest_items
from jobs.analysis.wording import clock, noun, percent, short
from jobs.charts import vega_lite as vl
from jobs.charts.chart import Table
from jobs.charts.phrases import owner_span
from jobs.charts.theme import (
    BLUE,
    INK,
    ORANGE,
    SHORT_LABELS,
    SKY,
    WIDTH,
    finished,
    flat_axis,
    rows,
    trimmed,
)

if TYPE_CHECKING:
    from jobs.analysis import ChannelAnalysis
    from jobs.analysis.owner_figures import Compared
    from jobs.channel.data import ChannelData
    from jobs.charts.chart import Chart

_MOST: Final = 500
_IN_TABLE: Final = 15
_CHARACTERS: Final = 42
_NAMED: Final = 3


def click_through(data: ChannelData, analysis: ChannelAnalysis) -> Chart | None:
    """Draw the click-through of items by their impressions; None with too few to compare."""
    found = analysis.owner
    if not (found.present and found.clicks.present):
        return None
    clicks, thing = found.clicks, noun(analysis.platform)
    items = newest_items(data).filter(
        (pl.col("impressions") >= FEWEST_IMPRESSIONS) & pl.col("click_through").is_not_null()
    )
    shown = items.sort("impressions", descending=True).head(_MOST)
    named = {one.item_id: trimmed(one.title, _CHARACTERS) for one in clicks.best[:_NAMED]}
    points: list[dict[str, Any]] = [
        {"shown": row["impressions"], "rate": 100 * row["click_through"]}
        for row in shown.iter_rows(named=True)
    ]
    labels = [
        {"shown": one.of, "rate": 100 * one.value, "text": named[one.item_id]}
        for one in clicks.best[:_NAMED]
    ]
    x = vl.encoded(
        "shown:Q",
        scale=vl.options(type="log", nice=False),
        axis=vl.options(title="impressions", labelExpr=SHORT_LABELS, tickCount=5, grid=False),
    )
    y = vl.encoded(
        "rate:Q",
        axis=flat_axis("click-through, per cent", format="~r", tickCount=5),
        scale=vl.options(zero=True),
    )
    band = rows([{"rate": 100 * clicks.lower_quartile, "high": 100 * clicks.upper_quartile}])
    middle = max(point["shown"] for point in points) ** 0.5 * FEWEST_IMPRESSIONS**0.5
    drawing = vl.layer(
        vl.mark("rect", band, color=BLUE, opacity=0.12).encode(y=y, y2="high:Q"),
        vl.mark("rule", rows([{"rate": 100 * clicks.median}]), color=BLUE, strokeWidth=2).encode(
            y=y
        ),
        vl.mark("circle", rows(points), size=44, opacity=0.9, color=SKY).encode(x=x, y=y),
        vl.mark("circle", rows(labels), size=60, opacity=1, color=ORANGE).encode(x=x, y=y),
        *(
            vl.mark("text", rows([one]), align=align, dx=dx, color=INK).encode(
                x=x, y=y, text="text:N"
            )
            for one in labels
            for align, dx in [("right", -8) if one["shown"] > middle else ("left", 8)]
        ),
    )
    return finished(
        "click-through",
        drawing.properties(width=WIDTH, height=220),
        title=_title(clicks, thing),
        reading=(
            f"Each dot is one {thing} that was shown {FEWEST_IMPRESSIONS:,} times or more, "
            f"{owner_span(found)}; the line is their median, the band the middle half."
        ),
        description=(
            f"Click-through of {clicks.items:,} {thing}s by impressions: median "
            f"{percent(clicks.median)}, middle half from {percent(clicks.lower_quartile)} to "
            f"{percent(clicks.upper_quartile)}."
        ),
        table=_table(data, thing),
    )


def _title(clicks: Compared, thing: str) -> str:
    return f"A typical {thing} earns a click on {percent(clicks.median)} of its impressions"


def _table(data: ChannelData, thing: str) -> Table:
    """The most shown items, with all that the owner knows of them."""
    items = newest_items(data).sort("impressions", descending=True, nulls_last=True)
    return Table(
        [thing.capitalize(), "Impressions", "Click-through", "Views", "Watched", "Subscribers"],
        [
            [
                row["title"],
                _or_dash(row["impressions"], short),
                _or_dash(row["click_through"], percent),
                _or_dash(row["views"], short),
                _watched(row),
                _or_dash(row["subscribers"], lambda value: f"{value:+,d}".replace("-", "−")),
            ]
            for row in items.head(_IN_TABLE).iter_rows(named=True)
        ],
    )


def _watched(row: dict[str, Any]) -> str:
    """The share of the item that the average view watched, else the time of it."""
    if row["held"] is not None:
        return percent(row["held"])
    return _or_dash(row["view_s"], clock)


def _or_dash(value: Any, words: Any) -> str:
    return "–" if value is None else str(words(value))
