"""A report says what the analysis shows, and no more."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from jobs.analysis import analyze
from jobs.channel.platform_day import PlatformDay
from jobs.charts import build_charts
from jobs.charts.key_figures import key_figures
from jobs.charts.story import covered, missing_reasons, why_it_matters
from jobs.charts.what_changed import what_changed
from tests.unit.analysis.channels import Item, catalogue, channel_data, growing

if TYPE_CHECKING:
    from jobs.channel.data import ChannelData
    from jobs.charts import Chart


def changed(data: ChannelData) -> str:
    """Return everything that changed, as one text."""
    return " ".join(what_changed(analyze(data)))


def first_chart(data: ChannelData) -> str:
    """Return the title of the chart of daily views."""
    return build_charts(data, analyze(data))[0].title


def test_story_calls_no_old_item_new() -> None:
    """An item read once, soon after it came out, is not news half a year later."""
    items = [replace(item, read_day=item.published_day + 20.0) for item in catalogue(60)]
    hit = Item(10.5, views=900_000, title="The hit", read_day=30.0)
    data = channel_data(items=[*items, hit])
    assert "The hit" not in changed(data)
    assert "The hit" in " ".join(why_it_matters(analyze(data)))
    new = replace(hit, published_day=135.0, read_day=155.0)
    assert "The hit" in changed(channel_data(items=[*items, new]))


def test_story_tells_counters_that_were_read_once() -> None:
    """Counters from a list of channels become figures with their day; zeros are ignored."""
    data = channel_data(views=[228_000_000_000], subscribers=[245_000_000], counted=[20_082])
    assert [(one.label, one.value, one.note) for one in key_figures(analyze(data))] == [
        ("Subscribers", "245M", "read on 5 Jan 2026"),
        ("Views", "228B", "read on 5 Jan 2026"),
        ("Videos", "20.1K", "read on 5 Jan 2026"),
    ]
    listed = channel_data(views=[9_000], subscribers=[0], counted=[70], items=catalogue(60))
    notes = {one.label: one.note for one in key_figures(analyze(listed))}
    assert notes["Views"] == "of 60 videos"
    assert notes["Videos"] == "of 70 on the channel"
    assert "Subscribers" not in notes


def test_story_does_not_call_noise_a_level() -> None:
    """A drop to a third, with days that vary tenfold, is not called a steady level."""
    days = [*[3_000] * 20, *[300, 9_000] * 4, *[200, 2_500] * 4]
    views = [sum(days[: i + 1]) for i in range(len(days))]
    assert first_chart(channel_data(views=views)).startswith("Views vary too much to tell")
    assert first_chart(channel_data(views=growing(60))).startswith("Views hold their level")


def test_story_tells_a_format_that_took_over() -> None:
    """Ten recent short items after fifty long ones are reported with both shares."""
    long = [Item(3.0 * i, views=1_000 + i) for i in range(50)]
    short = [Item(300.0 + i, views=1_000 + i, duration_s=30) for i in range(10)]
    sentence = "100% of the videos of the last 90 days are short, against 17% of all."
    assert sentence in changed(channel_data(items=[*long, *short]))
    assert "of the last 90 days" not in changed(channel_data(items=long))


def test_story_tells_a_trend_of_likes() -> None:
    """Likes that fall from item to item are reported with the interval."""
    liked = [Item(3.0 * i, views=10_000, likes=400 - 10 * i) for i in range(30)]
    assert "Newer videos get fewer likes: −2.3 to −2.3 per 1,000" in changed(
        channel_data(items=liked)
    )


def test_story_says_what_is_missing_of_every_section() -> None:
    """Each missing section has its reason under "What the data cannot tell"."""
    analysis = analyze(channel_data(views=growing(10), items=[Item(1.0), Item(2.0)]))
    reasons = " ".join(missing_reasons(analysis))
    for words in ("Unusual days need", "A change of level needs", "A trend needs", "A forecast"):
        assert words in reasons


def test_story_claims_no_silence_that_the_channels_own_count_denies() -> None:
    """Weeks without listed items are reported, unless the channel's count of items grew."""
    items = [Item(7.0 * i, views=10, read_day=120.0) for i in range(12)]
    silent = channel_data(items=items, counted=[11, 12, 12], days=[70, 80, 120])
    assert "Nothing was published for 43 days" in changed(silent)
    rate = next(one for one in key_figures(analyze(silent)) if one.label == "Videos a week")
    assert rate.note == "5 Jan – 5 May 2026; none since 23 Mar 2026"
    assert "Nothing was published" not in changed(
        channel_data(items=items, counted=[11, 12, 15], days=[70, 80, 120])
    )


def test_story_does_not_tell_the_share_of_old_items_where_there_are_no_new_ones() -> None:
    """Without new items all views go to old ones, which is not a finding."""
    old = [Item(2.0 * i, views=100, read_day=200.0) for i in range(12)]
    data = channel_data(items=old)
    grown = data.item_snapshots.with_columns(
        pl.col("observed_at") + pl.duration(days=20), pl.col("views") * 2
    )
    data = replace(data, item_snapshots=pl.concat([data.item_snapshots, grown]).sort("item_id"))
    assert analyze(data).catalogue.present
    assert "new views go to" not in " ".join(why_it_matters(analyze(data)))


def test_story_does_not_let_a_fall_be_none() -> None:
    """A rounded counter that went down one step fell by at most two steps."""
    down = channel_data(subscribers=[394_000] * 20 + [393_000] * 20)
    assert "Subscribers fell to 393K: up to −2,000 in 39 days" in changed(down)
    up = channel_data(subscribers=[394_000] * 20 + [396_000] * 20)
    assert "Subscribers grew to 396K: +1,000 to +3,000 in 39 days" in changed(up)


def test_story_says_when_the_counter_was_late_everywhere() -> None:
    """A day on which most channels of the store read little is the platform's, and said so."""
    data = channel_data(views=growing(40))
    last = analyze(data).outliers
    assert last.present
    late = PlatformDay(last.last_day - timedelta(days=2), 0.3, 0.5, 146)
    told = changed(replace(data, platform_days=(late,)))
    assert "the counter was late everywhere: half of 146 channels read 30% of their usual" in told
    assert "late everywhere" not in changed(data)


def test_story_names_a_single_day_once() -> None:
    """A list read on one day covers that day."""
    assert covered(analyze(channel_data(items=catalogue(20)))).startswith("9 Feb 2027 · 20 videos")


def test_chart_of_views_is_not_flattened_by_a_wild_interval() -> None:
    """If days vary tenfold, the axis ends near the readings, and a sentence gives the rest."""
    rng = np.random.default_rng(3)
    gains = np.concatenate([rng.lognormal(6, 0.3, 30), rng.lognormal(8, 1.2, 30)]).astype(int)
    gains[-1] = gains.max()
    wild, calm = channel_data(views=np.cumsum(gains).tolist()), channel_data(views=growing(60))
    charts = {
        name: build_charts(of, analyze(of))[0] for name, of in (("wild", wild), ("calm", calm))
    }
    ends = {name: _axis_end(chart) for name, chart in charts.items()}
    assert ends["calm"] is None
    assert ends["wild"] is not None
    assert gains.max() < ends["wild"] < 1.5 * gains.max()
    assert "goes on beyond the axis, to " in " ".join(charts["wild"].spec["title"]["subtitle"])


def _axis_end(chart: Chart) -> float | None:
    domains = [
        layer["encoding"]["y"]["scale"].get("domain")
        for layer in chart.spec["layer"]
        if "y" in layer["encoding"]
    ]
    assert all(domain == domains[0] for domain in domains)
    return None if domains[0] is None else float(domains[0][1])
