"""
What only an owner knows: what was shown and clicked, what was watched, what brought subscribers.

The figures are of one span of days, the newest that the sources give and the widest of those; of
items older than it they are a part. Those of single days explain a change of views.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Final

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from jobs.analysis.columns import floats_of
from jobs.analysis.growth import WEEK
from jobs.analysis.reach import reach
from jobs.analysis.section import Missing, Section
from jobs.channel.records import FROM_THE_FIRST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobs.channel.data import ChannelData

FEWEST_IMPRESSIONS: Final = 1_000
"""A share of fewer says little: of a thousand, 3 % may be chance between 2 and 4.2 %."""

FEWEST_VIEWS: Final = 100
FEWEST_ITEMS: Final = 10
_BEST: Final = 5
_FEWEST_DAYS: Final = 5
_UNIT: Final = 1e6
"""Shares are compared in millionths: `reach` adds one to what it compares."""

_Z: Final = 1.96


class Totals(Section):
    """The channel's own figures over the span; see `records.Figures` for what each is."""

    views: int | None = None
    impressions: int | None = None
    click_through: float | None = None
    watch_s: int | None = None
    view_s: int | None = None
    viewed: float | None = None
    stayed: float | None = None
    viewers: int | None = None
    new_viewers: int | None = None
    returning_viewers: int | None = None
    subscribers: int | None = None


class Told(BaseModel):
    """
    One item's *value*, and how many impressions or views (*of*) it is of.

    *ratio* is the value over what is usual for such an item.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    item_id: str
    title: str
    url: str | None
    value: float
    of: int
    ratio: float


class Compared(Section):
    """A share of *items* items: its quartiles, and those that do best, the clearest first."""

    items: int
    median: float
    lower_quartile: float
    upper_quartile: float
    best: list[Told]


class Brought(Section):
    """
    Net subscribers that *items* items brought, *known* in all, of the channel's *total*.

    *best* brought most; the value is their subscribers, the ratio their rate over that of all.
    """

    items: int
    known: int
    total: int | None
    per_thousand: float
    best: list[Told]


class ViewsExplained(Section):
    """
    How views a day changed between the last 7 days and the 7 before, in three parts.

    On each day views are impressions times their click-through, and others that no thumbnail
    brought. *by_impressions* is the change of impressions at the mean click-through of both weeks,
    *by_clicks* that of the click-through at the mean impressions, *by_others* that of the others:
    together they are the change, exactly. The weekdays are those known in both weeks.
    """

    last_day: date
    days: int
    before: float
    after: float
    by_impressions: float
    by_clicks: float
    by_others: float
    impressions: tuple[float, float]
    click_through: tuple[float, float]


class OwnerFigures(Section):
    """*first* is None where the figures are of a whole lifetime, until *last*."""

    first: date | None
    last: date
    totals: Annotated[Totals | Missing, Field(discriminator="present")]
    clicks: Annotated[Compared | Missing, Field(discriminator="present")]
    held: Annotated[Compared | Missing, Field(discriminator="present")]
    brought: Annotated[Brought | Missing, Field(discriminator="present")]
    explained: Annotated[ViewsExplained | Missing, Field(discriminator="present")]


NOT_GIVEN: Final = Missing(
    reason="What only the channel's owner sees (impressions, click-through, watch time) is in no "
    "source of this channel."
)


def owner_figures(data: ChannelData) -> OwnerFigures | Missing:
    """Return what the owner's figures say, or that no source gives any."""
    if data.figures.is_empty() and data.item_figures.is_empty():
        return NOT_GIVEN
    longer = data.figures.filter(pl.col("first") < pl.col("last"))
    spans = [longer, data.item_figures, data.figures]
    first, last = _newest(next(one for one in spans if not one.is_empty()))
    items = of_items(data, first, last)
    totals = longer.filter(first=first, last=last)
    told = totals.select(list(Totals.model_fields)[1:]).rows(named=True)
    return OwnerFigures(
        first=None if first == FROM_THE_FIRST else first,
        last=last,
        totals=Totals(**told[0])
        if told
        else Missing(reason="The source gives no totals of the owner's figures."),
        clicks=_clicks(items),
        held=_held(items),
        brought=_brought(items, told[0]["subscribers"] if told else None),
        explained=views_explained(data.figures),
    )


def newest_items(data: ChannelData) -> pl.DataFrame:
    """Return the items with their figures of the newest span; empty without any."""
    if data.item_figures.is_empty():
        return of_items(data, FROM_THE_FIRST, FROM_THE_FIRST)
    return of_items(data, *_newest(data.item_figures))


def of_items(data: ChannelData, first: date, last: date) -> pl.DataFrame:
    """Return the items with their figures from *first* to *last*, and the share *held* of each."""
    figures = data.item_figures.filter(first=first, last=last)
    facts = data.items.select("item_id", "title", "url", "duration_s", "published_at")
    average = pl.coalesce(pl.col("view_s"), pl.col("watch_s") / pl.col("views"))
    share = pl.coalesce(pl.col("viewed"), average / pl.col("duration_s"))
    return figures.join(facts, on="item_id", how="inner").with_columns(
        pl.when(share.is_finite() & (share > 0)).then(share).alias("held")
    )


def _newest(figures: pl.DataFrame) -> tuple[date, date]:
    last = figures["last"].max()
    first = figures.filter(pl.col("last") == last)["first"].min()
    assert isinstance(first, date)  # noqa: S101 -- a frame with rows has both
    assert isinstance(last, date)  # noqa: S101
    return first, last


def _clicks(items: pl.DataFrame) -> Compared | Missing:
    """Compare click-throughs with the channel's own median."""
    known = items.filter(
        (pl.col("impressions") >= FEWEST_IMPRESSIONS) & pl.col("click_through").is_not_null()
    )
    if known.height < FEWEST_ITEMS:
        return _too_few(known.height, f"click-throughs of {FEWEST_IMPRESSIONS:,} impressions")
    rates, shown = floats_of(known["click_through"]), floats_of(known["impressions"])
    median = float(np.median(rates))
    return _compared(known, rates, shown, rates / median, order=lower_bound(rates, shown))


def _held(items: pl.DataFrame) -> Compared | Missing:
    """Compare the shares that are watched with those of items of like length."""
    known = items.filter(
        (pl.col("views") >= FEWEST_VIEWS)
        & pl.col("held").is_not_null()
        & (pl.col("duration_s") > 0)
    )
    if known.height < FEWEST_ITEMS:
        return _too_few(known.height, f"lengths and watch time of {FEWEST_VIEWS} views")
    shares, lengths = floats_of(known["held"]), floats_of(known["duration_s"])
    compared = reach(lengths, _UNIT * shares)
    order = np.where(compared.score > 0, compared.score, -np.inf)
    return _compared(known, shares, floats_of(known["views"]), compared.ratio, order=order)


def _brought(items: pl.DataFrame, total: int | None) -> Brought | Missing:
    known = items.filter(pl.col("subscribers").is_not_null() & (pl.col("views") > 0))
    if known.height < FEWEST_ITEMS:
        return _too_few(known.height, "subscribers")
    subscribers, views = floats_of(known["subscribers"]), floats_of(known["views"])
    all_of_them = int(subscribers.sum())
    if all_of_them <= 0:
        return Missing(reason="The items with known subscribers brought none, net.")
    rate = 1000 * all_of_them / float(views.sum())
    best = [i for i in np.argsort(-subscribers, kind="stable")[:_BEST] if subscribers[i] > 0]
    return Brought(
        items=known.height,
        known=all_of_them,
        total=total,
        per_thousand=rate,
        best=_told(known, best, subscribers, views, 1000 * subscribers / views / rate),
    )


def _too_few(known: int, what: str) -> Missing:
    return Missing(
        reason=f"Items are compared by their {what} where {FEWEST_ITEMS} have so many, and "
        f"{known or 'none'} {'has' if known == 1 else 'have'}."
    )


def lower_bound(rates: NDArray[np.float64], of: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the lower ends of the shares' 95 % intervals (E. Wilson 1927)."""
    centre = rates + _Z**2 / (2 * of)
    reach_of = _Z * np.sqrt(rates * (1 - rates) / of + _Z**2 / (4 * of**2))
    return np.asarray((centre - reach_of) / (1 + _Z**2 / of))


def _compared(
    known: pl.DataFrame,
    values: NDArray[np.float64],
    of: NDArray[np.float64],
    ratio: NDArray[np.float64],
    *,
    order: NDArray[np.float64],
) -> Compared:
    lower, median, upper = np.quantile(values, [0.25, 0.5, 0.75])
    best = [
        i
        for i in np.argsort(-np.nan_to_num(order, nan=-np.inf), kind="stable")[:_BEST]
        if np.isfinite(order[i]) and ratio[i] > 1
    ]
    return Compared(
        items=known.height,
        median=float(median),
        lower_quartile=float(lower),
        upper_quartile=float(upper),
        best=_told(known, best, values, of, ratio),
    )


def _told(
    known: pl.DataFrame,
    which: list[np.intp],
    values: NDArray[np.float64],
    of: NDArray[np.float64],
    ratio: NDArray[np.float64],
) -> list[Told]:
    ids, titles, urls = (known[name].to_list() for name in ("item_id", "title", "url"))
    return [
        Told(
            item_id=ids[i],
            title=titles[i],
            url=urls[i],
            value=float(values[i]),
            of=int(of[i]),
            ratio=float(ratio[i]),
        )
        for i in which
    ]


def views_explained(figures: pl.DataFrame) -> ViewsExplained | Missing:
    """Split the change from the week before into what was shown, what was clicked, and the rest."""
    days = figures.filter(
        (pl.col("first") == pl.col("last"))
        & pl.all_horizontal(pl.col("views", "impressions", "click_through").is_not_null())
    )
    if days.is_empty():
        return Missing(reason="The source gives no impressions by day.")
    last_day = days["first"].max()
    assert isinstance(last_day, date)  # noqa: S101 -- there are rows
    by_age = {
        (last_day - day).days: row
        for day, *row in days.select("first", "views", "impressions", "click_through").iter_rows()
    }
    pairs = [age for age in range(WEEK) if age in by_age and age + WEEK in by_age]
    if len(pairs) < _FEWEST_DAYS:
        return Missing(
            reason=f"Impressions are known on {len(pairs)} of 7 weekdays in both of the last two "
            f"weeks; {_FEWEST_DAYS} are needed to explain a change of views by them."
        )
    after, before = (
        np.array([by_age[age + shift] for age in pairs], dtype=np.float64).T for shift in (0, WEEK)
    )
    (views, shown, rate), (views_0, shown_0, rate_0) = (_means(*week) for week in (after, before))
    clicked, clicked_0 = shown * rate, shown_0 * rate_0
    return ViewsExplained(
        last_day=last_day,
        days=len(pairs),
        before=views_0,
        after=views,
        by_impressions=(shown - shown_0) * (rate + rate_0) / 2,
        by_clicks=(rate - rate_0) * (shown + shown_0) / 2,
        by_others=(views - clicked) - (views_0 - clicked_0),
        impressions=(shown_0, shown),
        click_through=(rate_0, rate),
    )


def _means(
    views: NDArray[np.float64], impressions: NDArray[np.float64], rates: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Views and impressions a day, and the click-through of all impressions of the week."""
    shown = float(impressions.mean())
    clicked = float((impressions * rates).mean())
    return float(views.mean()), shown, clicked / shown if shown else 0.0
