"""
What an owner's days say: why views changed, and whether viewers come back.

Both compare the last 7 days with the 7 before, weekday by weekday.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from jobs.analysis.growth import WEEK
from jobs.analysis.section import Missing, Section

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_FEWEST_DAYS: Final = 5
_ALL_ALIKE: Final = 6
"""So many weekdays that all moved the same way are not chance: 1 in 32 with six."""


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


class Returning(Section):
    """
    Who watched on a day: mean *new* and *known* viewers of the last 7 days, up to *last_day*.

    *share* is that of the known ones, *before* that of the 7 days before. *alike* says whether it
    moved the same way on each of the *days* weekdays that both weeks have, and those are enough.
    Viewers of a day are people: those of several days are no sum of them.
    """

    last_day: date
    days: int
    new: float
    known: float
    share: float
    before: float
    alike: bool


def views_explained(figures: pl.DataFrame) -> ViewsExplained | Missing:
    """Split the change from the week before into what was shown, what was clicked, and the rest."""
    names = ("views", "impressions", "click_through")
    found = _weeks(figures, names)
    if found is None:
        return Missing(reason="The source gives no impressions by day.")
    last_day, by_age, pairs = found
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


def returning(figures: pl.DataFrame) -> Returning | Missing:
    """Return who came back on the days of the last week, beside the week before."""
    found = _weeks(figures, ("new_viewers", "returning_viewers"))
    if found is None:
        return Missing(reason="The source gives no new and returning viewers by day.")
    last_day, by_age, pairs = found
    if len(pairs) < _FEWEST_DAYS:
        return Missing(
            reason=f"New and returning viewers are known on {len(pairs)} of 7 weekdays in both of "
            f"the last two weeks; {_FEWEST_DAYS} are needed to compare them."
        )
    after, before = (
        np.array([by_age[age + shift] for age in pairs], dtype=np.float64) for shift in (0, WEEK)
    )
    moved = np.sign(_shares(after) - _shares(before))
    return Returning(
        last_day=last_day,
        days=len(pairs),
        new=float(after[:, 0].mean()),
        known=float(after[:, 1].mean()),
        share=float(after[:, 1].sum() / after.sum()),
        before=float(before[:, 1].sum() / before.sum()),
        alike=len(pairs) >= _ALL_ALIKE and abs(float(moved.sum())) == len(pairs),
    )


def _shares(weeks: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(weeks[:, 1] / weeks.sum(axis=1))


def _weeks(
    figures: pl.DataFrame, names: Sequence[str]
) -> tuple[date, Mapping[int, Sequence[float]], list[int]] | None:
    """
    Return the last day on which all of *names* are known, all such days, and those to compare.

    Days are counted back from the last. Of the last week those are compared that are known in the
    week before, too. None without any.
    """
    days = figures.filter(
        (pl.col("first") == pl.col("last")) & pl.all_horizontal(pl.col(names).is_not_null())
    )
    if days.is_empty():
        return None
    last_day = days["first"].max()
    assert isinstance(last_day, date)  # noqa: S101 -- there are rows
    by_age = {(last_day - day).days: row for day, *row in days.select("first", *names).iter_rows()}
    return last_day, by_age, [age for age in range(WEEK) if {age, age + WEEK} <= by_age.keys()]
