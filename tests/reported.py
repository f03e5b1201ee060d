"""Channels with a report in a store, as a run leaves them, for tests of pages."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from jobs.analysis import analyze
from jobs.channel.records import ChannelRecord, Platform
from jobs.channel.summary import ReportSummary
from jobs.charts import compose
from jobs.charts.summary import change_of, content_of, series_of
from jobs.recommendations import recommend
from tests.unit.analysis.channels import catalogue, channel_data

if TYPE_CHECKING:
    from pathlib import Path

    from jobs.store import ChannelStore


async def with_report(
    store: ChannelStore, record: ChannelRecord, file: Path, *, last_week: float = 1.0
) -> ReportSummary:
    """Save a channel whose last week had *last_week* times its usual views, and its report."""
    rng = np.random.default_rng(7)
    daily = 1_000 * rng.lognormal(0, 0.12, 130)
    daily[-7:] = 1_000 * last_week
    daily[40] = 6_000
    views = np.cumsum(daily).astype(int).tolist()
    items = [replace(one, read_day=130.0) for one in catalogue(50)]
    data = channel_data(views=views, items=items, channel=record)
    analysis = analyze(data)
    advice = recommend(data, analysis)
    document = compose(record, analysis, [], advice, source_note="Source: a file")
    found = ReportSummary(
        abs(change_of(analysis)), content_of(document, analysis), series_of(analysis)
    )
    await store.channels.register(record, [])
    key = await store.analyses.save(record.id, analysis.fingerprint, {"a": 1})
    await asyncio.to_thread(file.write_text, "<p>the report</p>")
    await store.renderings.save(key, None, "html", str(file), summary=found)
    return found


def channel(number: int, title: str) -> ChannelRecord:
    """Return a channel on YouTube."""
    return ChannelRecord(f"UC{number:022}", title, Platform.YOUTUBE)
