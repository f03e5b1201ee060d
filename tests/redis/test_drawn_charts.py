"""Charts of the same data and code: drawn once, then found."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from jobs import drawn_charts as module
from jobs.analysis import analyze
from jobs.channel.records import ChannelReading, ChannelSnapshot
from jobs.charts import code_version as code
from jobs.content_cache import ContentCache
from jobs.drawn_charts import drawn_charts
from jobs.services import Services
from jobs.store import StoredAnalysis, migrate, open_store
from tests.unit.analysis.channels import CHANNEL, DAY, START, growing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from jobs.services import SourceAccess
    from runner import QueueClient


@pytest.fixture
async def services(redis: QueueClient, tmp_path: Path) -> AsyncIterator[Services]:
    """Give services with a cache, and a store that knows one channel."""
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    await migrate(url)
    cache = ContentCache(redis, "charts", ttl_s=60, max_bytes=10**7)
    async with open_store(url) as store:
        snapshots = [
            ChannelSnapshot(START + day * DAY, views=views) for day, views in enumerate(growing(40))
        ]
        await store.save_readings([ChannelReading(CHANNEL, channel_snapshots=snapshots)])
        yield Services(
            store=store,
            sources=cast("SourceAccess", None),
            targets=(),
            reports_dir=tmp_path,
            chart_cache=cache,
        )


@pytest.fixture
def drawings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note each time that charts are really drawn."""
    noted: list[str] = []
    draw = module._draw

    def noting(*arguments: Any) -> Any:
        noted.append("drawn")
        return draw(*arguments)

    monkeypatch.setattr(module, "_draw", noting)
    return noted


async def analysed(services: Services) -> StoredAnalysis:
    """Analyse the channel anew; what was made of an earlier analysis is gone."""
    data = await services.store.load(CHANNEL.id)
    document = analyze(data).model_dump(mode="json")
    key = await services.store.save_analysis(CHANNEL.id, data.fingerprint, document)
    return await services.store.stored_analysis(key)


async def test_charts_are_drawn_once_and_stay_with_the_analysis(
    services: Services, drawings: list[str]
) -> None:
    """The second time they are read, not drawn."""
    first = await drawn_charts(services, await analysed(services))
    second = await drawn_charts(services, await analysed(services))
    assert first == second
    assert {chart.key for chart in first} >= {"daily-views"}
    assert drawings == ["drawn"]


async def test_charts_are_found_by_content(services: Services, drawings: list[str]) -> None:
    """Where the analysis has none, the same data needs no drawing: not even loading."""
    stored = await analysed(services)
    drawn = await drawn_charts(services, stored)
    found = await drawn_charts(services, replace(stored, charted_at=None))
    assert found == drawn
    assert drawings == ["drawn"]
    assert services.chart_cache is not None
    assert (await services.chart_cache.stats()).hits == 1
    assert await services.store.charts(stored.id) == drawn


async def test_charts_of_other_code_are_drawn_anew(
    services: Services, drawings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an upgrade neither the stored charts nor the cached ones pass for today's."""
    await drawn_charts(services, await analysed(services))
    monkeypatch.setattr(code, "code_version", lambda: "another version")
    await drawn_charts(services, await analysed(services))
    assert drawings == ["drawn", "drawn"]


async def test_charts_of_other_data_are_drawn_anew(services: Services, drawings: list[str]) -> None:
    """One more reading, and the charts are other ones."""
    before = await drawn_charts(services, await analysed(services))
    more = ChannelSnapshot(START + 40 * DAY, views=10**6)
    await services.store.save_readings([ChannelReading(CHANNEL, channel_snapshots=[more])])
    assert await drawn_charts(services, await analysed(services)) != before
    assert drawings == ["drawn", "drawn"]


async def test_charts_drawn_of_newer_data_are_not_kept_for_older(
    services: Services, drawings: list[str]
) -> None:
    """A sync between analysis and drawing must not leave wrong charts in the cache."""
    stored = await analysed(services)
    more = ChannelSnapshot(START + 40 * DAY, views=10**6)
    await services.store.save_readings([ChannelReading(CHANNEL, channel_snapshots=[more])])
    await drawn_charts(services, stored)
    assert services.chart_cache is not None
    assert (await services.chart_cache.stats()).values == 0
    assert drawings == ["drawn"]


async def test_charts_do_without_a_cache(services: Services, drawings: list[str]) -> None:
    """No cache, or a broken value in it: the charts are drawn."""
    stored = await analysed(services)
    assert services.chart_cache is not None
    version = code.code_version()
    await services.chart_cache.put(module.content_key(stored, version), b"no charts")
    assert await drawn_charts(services, stored)
    without = replace(services, chart_cache=None)
    assert await drawn_charts(without, replace(stored, charted_at=None))
    assert drawings == ["drawn", "drawn"]
