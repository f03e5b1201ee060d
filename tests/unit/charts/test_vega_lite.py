"""Specifications come out as Altair writes them."""

from __future__ import annotations

import json
from typing import Any

import altair as alt

from jobs.charts import vega_lite as vl

POINTS: list[dict[str, Any]] = [{"day": "2026-01-01T00:00:00Z", "views": 1.5, "kind": "ä"}]
OTHERS: list[dict[str, Any]] = [{"day": "2026-01-02T00:00:00Z", "views": None, "high": 3}]


def same(ours: vl.View, theirs: alt.TopLevelMixin) -> None:
    """Compare as text: the order of keys counts, since a stored chart and a report keep it."""
    expected = theirs.to_dict()
    del expected["config"]  # the theme brings its own
    assert json.dumps(ours.to_dict()) == json.dumps(expected)


def test_layers_are_as_altair_writes_them() -> None:
    """Data sets have names of their content; options and channels are in order of their names."""
    ours = vl.layer(
        vl.mark("line", POINTS, strokeWidth=2, color="#123456").encode(
            y=vl.encoded("views:Q", scale=vl.options(zero=False), axis=None),
            x="day:T",
            color=vl.condition("datum.whole", "red", "blue"),
        ),
        vl.mark("rect", OTHERS, tooltip=None).encode(x="day:T", y2="high:Q", y=vl.datum(0)),
    ).properties(width=10, height=20)
    whole = alt.condition(alt.datum.whole, alt.value("red"), alt.value("blue"))
    theirs = alt.layer(
        alt.Chart(alt.InlineData(POINTS))
        .mark_line(strokeWidth=2, color="#123456")
        .encode(y=alt.Y("views:Q", scale=alt.Scale(zero=False), axis=None), x="day:T", color=whole),
        alt.Chart(alt.InlineData(OTHERS))
        .mark_rect(tooltip=None)
        .encode(x="day:T", y2="high:Q", y=alt.datum(0)),
    ).properties(width=10, height=20)

    same(ours, theirs)


def test_layers_of_the_same_data_hold_it_once() -> None:
    """As with Altair, data that all layers share belongs to the layers as a whole."""
    data = alt.InlineData(POINTS)
    theirs = alt.layer(
        alt.Chart(data).mark_circle().encode(x="day:T"),
        alt.Chart(data).mark_text(dx=3).encode(x="day:T", text="kind:N"),
    )

    ours = vl.layer(
        vl.mark("circle", POINTS).encode(x="day:T"),
        vl.mark("text", POINTS, dx=3).encode(text="kind:N", x="day:T"),
    )

    same(ours, theirs)


def test_panels_are_as_altair_writes_them() -> None:
    """Views side by side keep their sizes and titles."""
    ours = vl.side_by_side(
        vl.mark("bar", POINTS).encode(x="views:Q").properties(width=3, title="one"),
        vl.mark("bar", OTHERS).encode(x="views:Q").properties(width=4),
        spacing=8,
    )
    theirs = alt.hconcat(
        alt.Chart(alt.InlineData(POINTS))
        .mark_bar()
        .encode(x="views:Q")
        .properties(width=3, title="one"),
        alt.Chart(alt.InlineData(OTHERS)).mark_bar().encode(x="views:Q").properties(width=4),
        spacing=8,
    )

    same(ours, theirs)
