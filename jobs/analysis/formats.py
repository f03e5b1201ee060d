"""Short and long items: how many of each there are, and how many views they get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from jobs.analysis.bootstrap import expanded_percentile, resampled_indices
from jobs.analysis.columns import instants_of
from jobs.analysis.item_arrays import ItemArrays, item_arrays
from jobs.analysis.randomness import generator
from jobs.analysis.reach import reach
from jobs.analysis.section import SUCCESSES_ONLY, Missing, Section
from jobs.analysis.trends import Heading, heading

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobs.channel.data import ChannelData

SHORT_S = 180
"""YouTube offers videos of up to three minutes as Shorts, to another audience (since Oct 2024)."""

RECENT_DAYS = 90
LEVEL = 0.95
FEWEST = 5
_DRAWS = 500
_DAY = np.timedelta64(1, "D")

Format = Literal["short", "long"]


class FormatFacts(BaseModel):
    """
    The items of one format.

    *share* is their share of all items of known length, *recent_share* of those from the channel's
    newest `RECENT_DAYS` days. *views* is their sum, *views_share* its share of both formats' views.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Format
    items: int
    share: float
    recent_items: int
    recent_share: float | None
    median_duration_s: float
    views: int
    views_share: float | None
    median_views: float | None


class FormatComparison(Section):
    """
    Views of *short* short items against *long* long ones, compared at similar age.

    *ratio* is the typical (geometric mean) views of the short ones over those of the long ones,
    *low* and *high* its interval at *level*.
    """

    short: int
    long: int
    ratio: float
    low: float
    high: float
    level: float
    heading: Heading


class Formats(Section):
    """
    The formats that the channel has, the one with more items first, and how they compare.

    Items that left their source take part in the comparison but are not counted.
    """

    limit_s: int
    items: int
    unknown_length: int
    formats: list[FormatFacts]
    comparison: Annotated[FormatComparison | Missing, Field(discriminator="present")]


def formats(data: ChannelData) -> Formats | Missing:
    """
    Compare the channel's short items (up to `SHORT_S` seconds) with its longer ones.

    Only the length tells them apart. Sources do not give a video's shape, so a wide video of three
    minutes counts as short although it is shown as an ordinary one.
    """
    found = item_arrays(data.items)
    known = found.duration_s > 0
    here = known & np.isnat(instants_of(data.items["left_at"]))
    if not here.any():
        return Missing(reason="The source gives no lengths of items.")
    split = _Split(found, known, here, known & (found.duration_s <= SHORT_S))
    facts = [each for each in (split.facts("short"), split.facts("long")) if each.items]
    return Formats(
        limit_s=SHORT_S,
        items=int(np.count_nonzero(here)),
        unknown_length=data.current_items.height - int(np.count_nonzero(here)),
        formats=sorted(facts, key=lambda each: -each.items),
        comparison=SUCCESSES_ONLY
        if data.channel.successes_only
        else split.comparison(generator(data.fingerprint, "formats")),
    )


@dataclass(frozen=True, slots=True)
class _Split:
    """Masks over the items: of *known* length, among these still *here*, and *short*."""

    found: ItemArrays
    known: NDArray[np.bool_]
    here: NDArray[np.bool_]
    short: NDArray[np.bool_]

    def of(self, name: Format) -> NDArray[np.bool_]:
        return self.short if name == "short" else self.known & ~self.short

    def facts(self, name: Format) -> FormatFacts:
        own, recent = self.here & self.of(name), self.recent()
        views = self.found.views[own]
        views, every = views[~np.isnan(views)], float(np.nansum(self.found.views[self.here]))
        newest, newest_own = int(np.count_nonzero(recent)), int(np.count_nonzero(recent & own))
        return FormatFacts(
            name=name,
            items=int(np.count_nonzero(own)),
            share=float(np.count_nonzero(own) / np.count_nonzero(self.here)),
            recent_items=newest_own,
            recent_share=newest_own / newest if newest else None,
            median_duration_s=float(np.median(self.found.duration_s[own])) if own.any() else 0.0,
            views=int(views.sum()),
            views_share=float(views.sum()) / every if every > 0 else None,
            median_views=float(np.median(views)) if views.size else None,
        )

    def recent(self) -> NDArray[np.bool_]:
        published_at = self.found.published_at
        known = self.here & ~np.isnat(published_at)
        if known.any():
            known &= published_at > published_at[known].max() - RECENT_DAYS * _DAY
        return known

    def comparison(self, rng: np.random.Generator) -> FormatComparison | Missing:
        ratio = reach(self.found.age_days, self.found.views).ratio
        scores = np.log(np.maximum(ratio, 1e-9))
        known = ~np.isnan(scores)
        short, long = scores[known & self.of("short")], scores[known & self.of("long")]
        fewest = min(short.size, long.size)
        if fewest < FEWEST:
            return Missing(
                reason=f"To compare formats, {FEWEST} items of each with peers of like age are "
                f"needed; {short.size} short and {long.size} long ones are there."
            )
        drawn = [
            side[resampled_indices(rng, side.size, _DRAWS)].mean(axis=1) for side in (short, long)
        ]
        low, high = np.exp(expanded_percentile(drawn[0] - drawn[1], fewest, LEVEL)).tolist()
        effect = float(np.exp(short.mean() - long.mean()))
        return FormatComparison(
            short=int(short.size),
            long=int(long.size),
            ratio=effect,
            low=min(low, effect),
            high=max(high, effect),
            level=LEVEL,
            heading=heading(low, high, neutral=1.0),
        )
