"""The charts of an analysis: drawn once for the same data and code, then read from the store."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from jobs import apart
from jobs.lazy_import import imported
from runner.errors import OffloadDiedError
from runner.lazy_log import lazy_log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.channel.columns import ChannelColumns
    from jobs.store import ChannelStore, StoredAnalysis, StoredChart


_log = lazy_log("jobs.charts")


async def drawn_charts(
    store: ChannelStore, stored: StoredAnalysis, run: apart.Run = apart.in_thread
) -> list[StoredChart]:
    """
    Return the charts of *stored*: the saved ones, or if other code drew those, new ones.

    *run* draws them. Durable afterwards: they are saved with the analysis. If one ends the process
    that draws all of them, each is drawn by itself: those that end theirs are saved without a
    picture, with the reason, and are tried anew the next time.

    Raises:
        NotStoredError: The analysis, or its channel, is not in the store.
    """
    code = await imported("jobs.charts.code_version")
    version = await asyncio.to_thread(code.code_version)
    if stored.charted_at is not None:
        saved = await store.analyses.charts(stored.id)
        if saved and all(one.spec.get("usermeta", {}).get("code") == version for one in saved):
            return saved
    columns = await store.readings.columns(stored.channel_id)
    try:
        charts = await run(_draw, columns, stored.document, limits=apart.DRAWING)
    except OffloadDiedError as error:
        _log.warning("charts are drawn one by one", channel=stored.channel_id, error=str(error))
        charts = await _one_by_one(run, columns, stored.document)
    await store.analyses.save_charts(stored.id, charts)
    return charts


def _draw(columns: ChannelColumns, document: dict[str, Any]) -> list[StoredChart]:
    """Imports here, where it runs: loading the libraries takes a second."""
    from jobs.analysis import ChannelAnalysis
    from jobs.channel.frames import as_data
    from jobs.charts import build_charts
    from jobs.store import StoredChart

    charts = build_charts(as_data(columns), ChannelAnalysis.model_validate(document))
    return [StoredChart(each.key, each.title, each.spec, each.alt) for each in charts]


async def _one_by_one(
    run: apart.Run, columns: ChannelColumns, document: dict[str, Any]
) -> list[StoredChart]:
    count = await run(_count, limits=apart.ONE_CHART)
    drawn = await asyncio.gather(*(_by_itself(run, at, columns, document) for at in range(count)))
    return [one for one in drawn if one is not None]


async def _by_itself(
    run: apart.Run, at: int, columns: ChannelColumns, document: dict[str, Any]
) -> StoredChart | None:
    try:
        return await run(_draw_one, at, columns, document, limits=apart.ONE_CHART)
    except OffloadDiedError as error:
        return await run(_lost, at, str(error), limits=apart.ONE_CHART)


def _count() -> int:
    from jobs.charts.build import CHARTS

    return len(CHARTS)


def _draw_one(at: int, columns: ChannelColumns, document: dict[str, Any]) -> StoredChart | None:
    from jobs.analysis import ChannelAnalysis
    from jobs.channel.frames import as_data
    from jobs.charts.build import build_chart
    from jobs.store import StoredChart

    chart = build_chart(at, as_data(columns), ChannelAnalysis.model_validate(document))
    return None if chart is None else StoredChart(chart.key, chart.title, chart.spec, chart.alt)


def _lost(at: int, reason: str) -> StoredChart:
    from jobs.charts.build import lost_chart
    from jobs.store import StoredChart

    # Of no code's version: what ended it may have been the machine's lack of memory.
    chart = lost_chart(at, reason, code="")
    return StoredChart(chart.key, chart.title, chart.spec, chart.alt)


def picture(spec: Mapping[str, Any]) -> bytes:
    """
    Draw one chart as SVG.

    Raises:
        ValueError: It cannot be drawn.
    """
    from jobs.charts.drawing import drawn_svg

    return drawn_svg(spec).encode()
