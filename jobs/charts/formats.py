"""Short and long items: their shares of the channel, and which reach more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jobs.analysis.wording import noun, short, times
from jobs.charts import vega_lite as vl
from jobs.charts.chart import Table
from jobs.charts.theme import BLUE, INK, SKY, WIDTH, finished, legend, rows
from runner.wording import counted

if TYPE_CHECKING:
    from jobs.analysis import ChannelAnalysis
    from jobs.analysis.formats import Formats
    from jobs.channel.data import ChannelData
    from jobs.charts.chart import Chart

_MINUTE: Final = 60
_ROW_HEIGHT: Final = 34
_FORMATS: Final = ("short", "long")


def formats(_data: ChannelData, analysis: ChannelAnalysis) -> Chart | None:
    """Draw the formats' shares of items and of views; None without both."""
    found = analysis.formats
    if not found.present or len(found.formats) < len(_FORMATS):
        return None
    thing = noun(analysis.platform)
    bars = _bars(found, f"{thing}s")
    minutes = counted(found.limit_s // _MINUTE, "minute")
    return finished(
        "formats",
        _drawing(bars),
        title=_title(found, thing),
        reading=(
            f"Shares of {counted(found.items, thing)} of known length. Short is up to {minutes}, "
            "told by the length alone."
        ),
        description="; ".join(
            f"{one.name} {thing}s: {one.share:.0%} of {thing}s, {_percent(one.views_share)} of "
            "their views"
            for one in found.formats
        )
        + ".",
        table=_table(found, thing),
    )


def _bars(found: Formats, things: str) -> list[dict[str, Any]]:
    bars = []
    for of, field in ((things, "share"), (f"{things} of the last 90 days", "recent_share")):
        bars += _stacked(of, {one.name: getattr(one, field) for one in found.formats})
    return bars + _stacked("views", {one.name: one.views_share for one in found.formats})


def _stacked(name: str, shares: dict[Any, float | None]) -> list[dict[str, Any]]:
    """Return one bar of both formats; none if a share is not known."""
    known = {name: share for name, share in shares.items() if share is not None}
    if len(known) < len(_FORMATS):
        return []
    short_share = known["short"]
    return [
        {"of": name, "low": 0, "high": short_share, "series": "short"},
        {"of": name, "low": short_share, "high": 1, "series": "long"},
    ]


def _drawing(bars: list[dict[str, Any]]) -> vl.View:
    names = list(dict.fromkeys(bar["of"] for bar in bars))
    colour = vl.encoded(
        "series:N",
        scale=vl.options(domain=list(_FORMATS), range=[BLUE, SKY]),
        legend=legend(under_title=False),
    )
    x = vl.encoded(
        "low:Q",
        axis=vl.options(title="share", format="%", tickCount=5, grid=False),
        scale=vl.options(domain=[0, 1], nice=False),
    )
    y = vl.encoded("of:N", sort=names, axis=vl.options(title=None, labelColor=INK, offset=4))
    bar = vl.mark("bar", rows(bars), height=22, opacity=1)
    return vl.layer(bar.encode(x=x, x2="high:Q", y=y, color=colour)).properties(
        width=WIDTH, height=_ROW_HEIGHT * len(names)
    )


def _title(found: Formats, thing: str) -> str:
    compared = found.comparison
    if not compared.present:
        first = found.formats[0]
        return f"{first.share:.0%} of {thing}s are {first.name}"
    interval = f"{compared.level:.0%} interval {times(compared.low)} to {times(compared.high)}"
    if compared.heading == "unclear":
        return f"Short and long {thing}s reach about the same at like age ({interval})"
    more = "more" if compared.heading == "up" else "less"
    return (
        f"Short {thing}s reach {more}: {times(compared.ratio)} the views of long ones of like age "
        f"({interval})"
    )


def _table(found: Formats, thing: str) -> Table:
    return Table(
        ["Format", f"{thing.capitalize()}s", "Share", "Views", "Share of views", "Median views"],
        [
            [
                one.name,
                f"{one.items:,}",
                f"{one.share:.0%}",
                short(one.views),
                _percent(one.views_share),
                "–" if one.median_views is None else short(one.median_views),
            ]
            for one in found.formats
        ],
    )


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"
