"""Charts of the same data and code: drawn once, then found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from jobs import drawn_charts as module
from jobs import visualize_data
from jobs.analysis import analyze
from jobs.channel.records import ChannelReading, ChannelSnapshot
from jobs.charts import code_version as code
from jobs.drawn_charts import drawn_charts
from jobs.services import Services
from jobs.store import StoredAnalysis, migrate, open_store
from tests.job_context import job_context
from tests.unit.analysis.channels import CHANNEL, DAY, START, growing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from jobs.services import SourceAccess


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    """Give services over a store that knows one channel."""
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    await migrate(url)
    async with open_store(url) as store:
        snapshots = [
            ChannelSnapshot(START + day * DAY, views=views) for day, views in enumerate(growing(40))
        ]
        await store.readings.save([ChannelReading(CHANNEL, channel_snapshots=snapshots)])
        yield Services(
            store=store,
            sources=cast("SourceAccess", None),
            targets=(),
            reports_dir=tmp_path,
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
    data = await services.store.readings.load(CHANNEL.id)
    document = analyze(data).model_dump(mode="json")
    key = await services.store.analyses.save(CHANNEL.id, data.fingerprint, document)
    return await services.store.analyses.get(key)


async def test_charts_are_drawn_once_and_stay_with_the_analysis(
    services: Services, drawings: list[str]
) -> None:
    """The second time they are read, not drawn."""
    first = await drawn_charts(services.store, await analysed(services))
    second = await drawn_charts(services.store, await analysed(services))
    assert first == second
    assert {chart.key for chart in first} >= {"daily-views"}
    assert drawings == ["drawn"]


async def test_visualize_data_caches_its_results(services: Services, drawings: list[str]) -> None:
    """Run again for the same data, the job draws nothing: the charts are in the store."""
    analysis_id = (await analysed(services)).id
    count = await visualize_data(job_context(visualize_data, services), analysis_id)
    kept = await services.store.analyses.charts(analysis_id)
    assert len(kept) == count > 0
    assert (await analysed(services)).id == analysis_id
    assert await visualize_data(job_context(visualize_data, services), analysis_id) == count
    assert await services.store.analyses.charts(analysis_id) == kept
    assert drawings == ["drawn"]


async def test_charts_of_other_code_are_drawn_anew(
    services: Services, drawings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an upgrade the stored charts no longer pass for today's."""
    await drawn_charts(services.store, await analysed(services))
    monkeypatch.setattr(code, "code_version", lambda: "another version")
    await drawn_charts(services.store, await analysed(services))
    assert drawings == ["drawn", "drawn"]


async def test_charts_of_other_data_are_drawn_anew(services: Services, drawings: list[str]) -> None:
    """One more reading, and the charts are other ones."""
    before = await drawn_charts(services.store, await analysed(services))
    more = ChannelSnapshot(START + 40 * DAY, views=10**6)
    await services.store.readings.save([ChannelReading(CHANNEL, channel_snapshots=[more])])
    assert await drawn_charts(services.store, await analysed(services)) != before
    assert drawings == ["drawn", "drawn"]
