"""The charts of an analysis: drawn once for the same data and code, then found."""

from __future__ import annotations

import asyncio
import hashlib
import json
import zlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from jobs.lazy_import import imported

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from jobs.channel.data import ChannelData
    from jobs.services import Services
    from jobs.store import StoredAnalysis, StoredChart

T = TypeVar("T")


class Run(Protocol):
    """Runs a CPU-bound function out of the event loop's way."""

    def __call__(self, function: Callable[..., T], /, *args: Any) -> Awaitable[T]:
        """Give what it returns."""
        ...


async def drawn_charts(
    services: Services, stored: StoredAnalysis, run: Run = asyncio.to_thread
) -> list[StoredChart]:
    """
    Give the charts of *stored*; those with the analysis, if the code of today drew them.

    Else those that the cache has for the same data, analysis and code, else *run* draws them.
    Durable afterwards: they are with the analysis.

    Raises:
        NotStoredError: The analysis, or its channel, is not in the store.
    """
    code = await imported("jobs.charts.code_version")
    version = await asyncio.to_thread(code.code_version)
    if stored.charted_at is not None:
        kept = await services.store.charts(stored.id)
        if kept and all(one.spec.get("usermeta", {}).get("code") == version for one in kept):
            return kept
    charts = await _found_or_drawn(services, stored, version, run)
    await services.store.save_charts(stored.id, charts)
    return charts


async def _found_or_drawn(
    services: Services, stored: StoredAnalysis, version: str, run: Run
) -> list[StoredChart]:
    cache, key = services.chart_cache, content_key(stored, version)
    packed = None if cache is None else await cache.get(key)
    found = None if packed is None else _unpacked(packed)
    if found is not None:
        return found
    data = await services.store.load(stored.channel_id)
    charts = await run(_draw, data, stored.document)
    # The channel may have changed since it was analysed: then these are not the charts of the key.
    if cache is not None and data.fingerprint == stored.fingerprint:
        await cache.put(key, await asyncio.to_thread(_packed, charts))
    return charts


def content_key(stored: StoredAnalysis, version: str) -> str:
    """Forty digits of all that charts are made of: data, analysis and code."""
    document = json.dumps(stored.document, sort_keys=True)
    content = f"{version}\n{stored.fingerprint}\n{document}"
    return hashlib.sha256(content.encode()).hexdigest()[:40]


def _draw(data: ChannelData, document: dict[str, Any]) -> list[StoredChart]:
    """Runs elsewhere, for the first import of the libraries takes a second, too."""
    from jobs.analysis import ChannelAnalysis
    from jobs.charts import build_charts
    from jobs.store import StoredChart

    charts = build_charts(data, ChannelAnalysis.model_validate(document))
    return [StoredChart(each.key, each.title, each.spec, each.alt) for each in charts]


def _packed(charts: Sequence[StoredChart]) -> bytes:
    return zlib.compress(json.dumps([asdict(one) for one in charts]).encode())


def _unpacked(packed: bytes) -> list[StoredChart] | None:
    """A value that somebody else put there is no error of the analysis: it counts for nothing."""
    from jobs.store import StoredChart

    try:
        return [StoredChart(**one) for one in json.loads(zlib.decompress(packed))]
    except (zlib.error, ValueError, TypeError):
        return None
