"""
What only an owner knows: what was shown and clicked, what was watched, what brought subscribers.

The figures are of one span of days, the newest that the sources give and the widest of those; of
items older than it they are a part. Those of single days are in `owner_days`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Annotated, Final

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from jobs.analysis.columns import floats_of
from jobs.analysis.owner_days import Returning, ViewsExplained, returning, views_explained
from jobs.analysis.reach import reach
from jobs.analysis.section import Missing, Section
from jobs.channel.records import FROM_THE_FIRST, Figures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from jobs.channel.data import ChannelData

FEWEST_IMPRESSIONS: Final = 1_000
"""A share of fewer says little: of a thousand, 3 % may be chance between 2 and 4.2 %."""

FEWEST_VIEWS: Final = 100
FEWEST_ITEMS: Final = 10
_BEST: Final = 5
_FAR_BELOW: Final = 0.67
"""A share counts as low below this part of what is usual, the chance of few views allowed for."""

_LOW_SCORE: Final = 2.0
_UNIT: Final = 1e6
"""Shares are compared in millionths: `reach` adds one to what it compares."""

_Z: Final = 1.96


class Totals(Section):
    """The channel's own *figures* over the span."""

    figures: Figures


class Told(BaseModel):
    """
    One item's *value*, and how many impressions or views (*of*) it is of.

    *ratio* is the value over what is usual for such an item; *beside*, of a click-through or a
    share watched, is that ratio of the other one, None if it is not known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    item_id: str
    title: str
    url: str | None
    value: float
    of: int
    ratio: float
    beside: float | None = None


class Compared(Section):
    """
    A share of *items* items: its quartiles, and those that do best, the clearest first.

    *low* are clearly below what is usual; first the one that most would be gained of.
    """

    items: int
    median: float
    lower_quartile: float
    upper_quartile: float
    best: list[Told]
    low: list[Told] = Field(default_factory=list)


class Brought(Section):
    """
    Subscribers that *items* items brought, *known* in all, of the channel's *total*.

    They are *net* of those lost, where the source says so. *best* brought most; the value is their
    subscribers, the ratio their rate over that of all.
    """

    items: int
    known: int
    total: int | None
    per_thousand: float
    net: bool = True
    best: list[Told]


class OwnerFigures(Section):
    """*first* is None where the figures are of a whole lifetime, until *last*."""

    first: date | None
    last: date
    totals: Annotated[Totals | Missing, Field(discriminator="present")]
    clicks: Annotated[Compared | Missing, Field(discriminator="present")]
    held: Annotated[Compared | Missing, Field(discriminator="present")]
    stayed: Annotated[Compared | Missing, Field(discriminator="present")]
    brought: Annotated[Brought | Missing, Field(discriminator="present")]
    explained: Annotated[ViewsExplained | Missing, Field(discriminator="present")]
    returning: Annotated[Returning | Missing, Field(discriminator="present")]


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
    told = [Figures(**row) for row in totals.rows(named=True)]
    clicked, held = _clicked(items), _watched(items)
    return OwnerFigures(
        first=None if first == FROM_THE_FIRST else first,
        last=last,
        totals=Totals(figures=told[0])
        if told
        else Missing(reason="The source gives no totals of the owner's figures."),
        clicks=_compared(clicked, held, f"click-throughs of {FEWEST_IMPRESSIONS:,} impressions"),
        held=_compared(held, clicked, f"lengths and watch time of {FEWEST_VIEWS} views"),
        stayed=_compared(_stayed(items), None, "shares that stayed to watch"),
        brought=_brought(items, told[0].subscribers if told else None),
        explained=views_explained(data.figures),
        returning=returning(data.figures),
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


@dataclass(frozen=True, slots=True)
class _Shares:
    """
    A share of each of *known* items, and how many impressions or views (*of*) it is of.

    *best* and *low* are larger for what is more clearly above, or would gain more, and -inf for
    what is neither.
    """

    known: pl.DataFrame
    values: NDArray[np.float64]
    of: NDArray[np.float64]
    ratio: NDArray[np.float64]
    best: NDArray[np.float64]
    low: NDArray[np.float64]

    def ratios(self) -> dict[str, float]:
        """Return the known ratios by item."""
        pairs = zip(self.known["item_id"].to_list(), self.ratio.tolist(), strict=True)
        return {item_id: ratio for item_id, ratio in pairs if np.isfinite(ratio)}


def _clicked(items: pl.DataFrame) -> _Shares:
    """Click-throughs, beside the channel's own median."""
    known = items.filter(
        (pl.col("impressions") >= FEWEST_IMPRESSIONS) & pl.col("click_through").is_not_null()
    )
    return _beside_median(known, "click_through", "impressions")


def _stayed(items: pl.DataFrame) -> _Shares:
    """The shares that did not swipe away, beside the channel's own median."""
    known = items.filter((pl.col("views") >= FEWEST_VIEWS) & pl.col("stayed").is_not_null())
    return _beside_median(known, "stayed", "views")


def _beside_median(known: pl.DataFrame, share: str, of: str) -> _Shares:
    rates, counted = floats_of(known[share]), floats_of(known[of])
    median = float(np.median(rates)) if rates.size else np.nan
    low, high = wilson(rates, counted)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = rates / median
    lost = np.where(high < _FAR_BELOW * median, counted * (median - rates), -np.inf)
    return _Shares(known, rates, counted, ratio, low, lost)


def _watched(items: pl.DataFrame) -> _Shares:
    """The shares that are watched, beside those of items of like length."""
    known = items.filter(
        (pl.col("views") >= FEWEST_VIEWS)
        & pl.col("held").is_not_null()
        & (pl.col("duration_s") > 0)
    )
    shares, lengths = floats_of(known["held"]), floats_of(known["duration_s"])
    views = floats_of(known["views"])
    compared = reach(lengths, _UNIT * shares)
    best = np.where(compared.score > 0, compared.score, -np.inf)
    is_low = (compared.score < -_LOW_SCORE) & (compared.ratio < _FAR_BELOW)
    return _Shares(known, shares, views, compared.ratio, best, np.where(is_low, views, -np.inf))


def _compared(found: _Shares, other: _Shares | None, what: str) -> Compared | Missing:
    if found.known.height < FEWEST_ITEMS:
        return _too_few(found.known.height, what)
    beside = {} if other is None else other.ratios()
    lower, median, upper = np.quantile(found.values, [0.25, 0.5, 0.75])
    return Compared(
        items=found.known.height,
        median=float(median),
        lower_quartile=float(lower),
        upper_quartile=float(upper),
        best=_told(found, [at for at in _first(found.best) if found.ratio[at] > 1], beside),
        low=_told(found, _first(found.low), beside),
    )


def _first(order: NDArray[np.float64]) -> list[np.intp]:
    """Return the places of the largest few, the largest first."""
    ordered = np.argsort(-np.nan_to_num(order, nan=-np.inf), kind="stable")
    return [at for at in ordered[:_BEST] if np.isfinite(order[at])]


def _brought(items: pl.DataFrame, total: int | None) -> Brought | Missing:
    net = items["subscribers"].count() > 0
    column = "subscribers" if net else "subscribers_gained"
    known = items.filter(pl.col(column).is_not_null() & (pl.col("views") > 0))
    if known.height < FEWEST_ITEMS:
        return _too_few(known.height, "subscribers")
    subscribers, views = floats_of(known[column]), floats_of(known["views"])
    all_of_them = int(subscribers.sum())
    if all_of_them <= 0:
        return Missing(reason="The items with known subscribers brought none, net.")
    rate = 1000 * all_of_them / float(views.sum())
    ratio = 1000 * subscribers / views / rate
    found = _Shares(known, subscribers, views, ratio, subscribers, np.empty(0))
    return Brought(
        items=known.height,
        known=all_of_them,
        total=total,
        per_thousand=rate,
        net=net,
        best=_told(found, [at for at in _first(found.best) if subscribers[at] > 0], {}),
    )


def _too_few(known: int, what: str) -> Missing:
    return Missing(
        reason=f"Items are compared by their {what} where {FEWEST_ITEMS} have so many, and "
        f"{known or 'none'} {'has' if known == 1 else 'have'}."
    )


def wilson(
    rates: NDArray[np.float64], of: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both ends of the shares' 95 % intervals (E. Wilson 1927)."""
    centre = rates + _Z**2 / (2 * of)
    reach_of = _Z * np.sqrt(rates * (1 - rates) / of + _Z**2 / (4 * of**2))
    scale = 1 + _Z**2 / of
    return (centre - reach_of) / scale, (centre + reach_of) / scale


def _told(found: _Shares, which: list[np.intp], beside: Mapping[str, float]) -> list[Told]:
    ids, titles, urls = (found.known[name].to_list() for name in ("item_id", "title", "url"))
    return [
        Told(
            item_id=ids[i],
            title=titles[i],
            url=urls[i],
            value=float(found.values[i]),
            of=int(found.of[i]),
            ratio=float(found.ratio[i]),
            beside=beside.get(ids[i]),
        )
        for i in which
    ]
