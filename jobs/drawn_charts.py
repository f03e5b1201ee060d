"""The charts of an analysis: drawn once for the same data and code, then read from the store."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from jobs.lazy_import import imported

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from jobs.channel.data import ChannelData
    from jobs.store import ChannelStore, StoredAnalysis, StoredChart

T = TypeVar("T")


class Run(Protocol):
    """Runs a CPU-bound function outside the event loop."""

    def __call__(self, function: Callable[..., T], /, *args: Any) -> Awaitable[T]:
        """Return the function's result."""
        ...


async def drawn_charts(
    store: ChannelStore, stored: StoredAnalysis, run: Run = asyncio.to_thread
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
    charts = await run(_draw, data, stored.document)
    await store.analyses.save_charts(stored.id, charts)
    return charts


def _draw(data: ChannelData, document: dict[str, Any]) -> list[StoredChart]:
    """Imports here, where it runs: loading the libraries takes a second."""
    from jobs.analysis import ChannelAnalysis
    from jobs.charts import build_charts
    from jobs.store import StoredChart

    charts = build_charts(data, ChannelAnalysis.model_validate(document))
    return [StoredChart(each.key, each.title, each.spec, each.alt) for each in charts]
