"""The charts of an analysis: drawn once for the same data and code, then read from the store."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from jobs import apart
from jobs.lazy_import import imported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.channel.data import ChannelData
    from jobs.store import ChannelStore, StoredAnalysis, StoredChart


async def drawn_charts(
    store: ChannelStore, stored: StoredAnalysis, run: apart.Run = apart.in_thread
) -> list[StoredChart]:
    """
    Return the charts of *stored*: the saved ones, or if other code drew those, new ones.

    *run* draws them. Durable afterwards: they are saved with the analysis.

    Raises:
        NotStoredError: The analysis, or its channel, is not in the store.
    """
    code = await imported("jobs.charts.code_version")
    version = await asyncio.to_thread(code.code_version)
    if stored.charted_at is not None:
        saved = await store.analyses.charts(stored.id)
        if saved and all(one.spec.get("usermeta", {}).get("code") == version for one in saved):
            return saved
    data = await store.readings.load(stored.channel_id)
    from jobs.store import StoredChart

    charts = await run(_draw, data, stored.document, limits=apart.DRAWING, returns=(StoredChart,))
    await store.analyses.save_charts(stored.id, charts)
    return charts


def _draw(data: ChannelData, document: dict[str, Any]) -> list[StoredChart]:
    """Imports here, where it runs: loading the libraries takes a second."""
    from jobs.analysis import ChannelAnalysis
    from jobs.charts import build_charts
    from jobs.store import StoredChart

    charts = build_charts(data, ChannelAnalysis.model_validate(document))
    return [StoredChart(each.key, each.title, each.spec, each.alt) for each in charts]


def picture(spec: Mapping[str, Any]) -> bytes:
    """
    Draw one chart as SVG.

    Raises:
        ValueError: It cannot be drawn.
    """
    from jobs.charts.drawing import drawn_svg

    return drawn_svg(spec).encode()
