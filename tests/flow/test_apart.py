"""Sources are read, and charts drawn, in processes that may be lost: one costs itself alone."""

from __future__ import annotations

import asyncio
import gzip
import os
import signal
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from jobs import apart, drawn_charts
from jobs.analysis import analyze
from jobs.channel.records import ChannelReading, ChannelSnapshot, SourceRef
from jobs.charts import build_charts
from jobs.charts.build import CHARTS
from jobs.charts.chart import undrawn
from jobs.charts.rendering import Request, render, render_apart
from jobs.drawn_charts import picture
from jobs.sources import SourceError
from jobs.sources.guard import read_apart
from jobs.sources.memory import SourceMemory
from jobs.sources.reader import SourceReader
from jobs.store import StoredAnalysis, StoredChart, migrate, open_store
from runner.errors import OffloadDiedError
from runner.offload import Limits, Offloader
from tests import offloaded
from tests.unit.analysis.channels import CHANNEL, DAY, START, catalogue, channel_data, growing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from jobs.analysis import ChannelAnalysis

MIB = 1024 * 1024
DAILY = "date_utc,channel_id,subscribers,views\n2026-01-17,good,1,2\n"
FEED = "<rss version='2.0'><channel><title>Show</title>{}</channel></rss>"
ENDLESS: dict[str, Any] = {
    "data": {"sequence": {"start": 0, "stop": 2_000_000_000, "as": "x"}},
    "mark": "point",
    "encoding": {"x": {"field": "x", "type": "quantitative"}},
}
"""A chart that takes all memory."""

pytestmark = pytest.mark.timeout(300)


def stored(analysis: ChannelAnalysis) -> StoredAnalysis:
    """Return the analysis as it is read from the store."""
    document = analysis.model_dump(mode="json")
    return StoredAnalysis("1", CHANNEL.id, analysis.fingerprint, document, None, None, START)


@pytest.fixture
async def offloader() -> AsyncIterator[Offloader]:
    """Return processes as the application has them."""
    offloader = Offloader(2)
    yield offloader
    await offloader.close()


async def test_one_bad_source_costs_no_other(offloader: Offloader, tmp_path: Path) -> None:
    """Beside a good one each has its line, and the good one is read."""
    (tmp_path / "good.csv").write_text(DAILY)
    attributes = " ".join(f"a{at}='1'" for at in range(20_000))
    (tmp_path / "attributes.xml").write_text(FEED.format(f"<item {attributes}/>"))
    (tmp_path / "comments.xml").write_text("<!--" * 16_384)
    (tmp_path / "quotes.csv").write_text(DAILY + 'x",,"\n' * 100_000)
    with gzip.open(tmp_path / "bomb.csv.gz", "wb") as file:
        file.write(DAILY.encode() + b"a" * 16 * MIB)
    reader = SourceReader(run=offloader.run)

    found = await reader.discover(str(tmp_path))

    errors = [one for one in found if isinstance(one, SourceError)]
    said = {one.location.rpartition("/")[2]: str(one) for one in errors}
    assert len(found) == len(said) + 1
    assert set(said) == {"attributes.xml", "comments.xml", "quotes.csv", "bomb.csv.gz"}
    assert "more than 1,000 attributes" in said["attributes.xml"]
    assert "has in line 3 more than 1 MiB" in said["bomb.csv.gz"]
    assert not any("\n" in line for line in said.values())
    ref = SourceRef("csv", str(tmp_path / "good.csv"))
    result = await reader.read(ref, "good", SourceMemory())
    assert result.reading is not None
    assert len(result.reading.channel_snapshots) == 1


async def test_sources_are_read_elsewhere(
    offloader: Offloader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even a fault of ours in a parser is met in this process, which parses nothing."""

    def never(*_: object) -> None:
        raise AssertionError("parsed here")

    for name in ("open_recognised", "recognise", "text_file", "open_text", "feed", "open_csv"):
        monkeypatch.setattr(f"jobs.sources.open_source.{name}", never, raising=False)
    (tmp_path / "daily.csv").write_text(DAILY)
    (tmp_path / "feed.xml").write_text(FEED.format("<item><title>One</title></item>"))
    reader = SourceReader(run=offloader.run)
    for name, channel in (("daily.csv", "good"), ("feed.xml", None)):
        (source,) = await reader.discover(str(tmp_path / name))
        assert not isinstance(source, SourceError), source
        assert channel in {None, source.channels()[0].id}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ((offloaded.die, signal.SIGABRT), "cannot be read: the process died by SIGABRT"),
        ((offloaded.compute_forever,), "cannot be read: it took more than 1 s of computing"),
        ((offloaded.take_memory, 1000), "cannot be read: it took more than 100 MiB of memory"),
        ((offloaded.exit_here,), "cannot be read: SystemExit: 3"),
    ],
    ids=["crash", "computing", "memory", "exit"],
)
async def test_a_reader_that_is_lost_is_an_error_of_its_source(
    offloader: Offloader,
    monkeypatch: pytest.MonkeyPatch,
    call: tuple[Callable[..., Any], Any],
    reason: str,
) -> None:
    """In one line, with the reason and what to do."""
    cpu_s = 1 if call[0] is offloaded.compute_forever else 60
    limits = Limits(cpu_s=cpu_s, memory_bytes=100 * MIB, wall_s=60)
    monkeypatch.setattr(apart, "reading", lambda _: limits)
    with pytest.raises(SourceError, match=f"^/data/a.csv: {reason}. Split or correct it$"):
        await read_apart(offloader.run, "/data/a.csv", 5, *call)
    assert await read_apart(offloader.run, "/data/b.csv", 5, os.getpid) != os.getpid()


def test_limits_grow_with_what_is_read() -> None:
    """A large list may take longer, and none takes for ever."""
    small, large, huge = (apart.reading(size) for size in (0, 50 * MIB, 2**40))
    assert small.cpu_s < large.cpu_s < huge.cpu_s == huge.wall_s


async def test_a_chart_that_ends_its_process_costs_no_report(offloader: Offloader) -> None:
    """The report says which chart it was and why, and has all others."""

    async def run(function: Callable[..., Any], /, *args: Any, limits: Limits) -> Any:
        return await offloader.run(function, *args, limits=replace(limits, memory_bytes=700 * MIB))

    data = channel_data(views=growing(40), items=catalogue(30))
    analysis = analyze(data)
    charts = [StoredChart(c.key, c.title, c.spec, c.alt) for c in build_charts(data, analysis)]
    bomb = replace(charts[1], spec=ENDLESS)
    request = Request(
        CHANNEL,
        stored(analysis),
        [charts[0], bomb, charts[2]],
        [],
        [],
        None,
        "",
        None,
        today=date(2026, 3, 1),
    )

    page = (await render_apart(run, request, "html", "a4")).pages[0].decode()

    reason = "it took more than 700 MiB of memory"
    assert f"This chart could not be drawn: {reason}" in page
    assert page.count("could not be drawn") == 1
    assert page.count('role="img"') == 2
    with pytest.raises(OffloadDiedError, match=reason):
        await render_apart(run, replace(request, chart=bomb), "svg", "a4")
    with pytest.raises(OffloadDiedError, match=reason):
        await run(picture, ENDLESS, limits=apart.DRAWING)


async def test_a_chart_that_ends_its_process_costs_no_other_of_its_channel(
    offloader: Offloader, tmp_path: Path
) -> None:
    """The job that draws them all goes on with the others, and tries that one anew next time."""
    daily_views = [made.__name__ for made in CHARTS].index("daily_views")

    async def run(function: Callable[..., Any], /, *args: Any, limits: Limits) -> Any:
        if function is drawn_charts._draw or (
            function is drawn_charts._draw_one and args[0] == daily_views
        ):
            return await offloader.run(offloaded.die, signal.SIGABRT, limits=limits)
        return await offloader.run(function, *args, limits=limits)

    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    await migrate(url)
    snapshots = [ChannelSnapshot(START + day * DAY, views=10 * day) for day in range(40)]
    async with open_store(url) as store:
        await store.readings.save([ChannelReading(CHANNEL, channel_snapshots=snapshots)])
        data = await store.readings.load(CHANNEL.id)
        document = analyze(data).model_dump(mode="json")
        key = await store.analyses.save(CHANNEL.id, data.fingerprint, document)

        async def drawn(run: apart.Run) -> dict[str, str]:
            stored = await store.analyses.get(key)
            charts = await drawn_charts.drawn_charts(store, stored, run)
            return {chart.key: undrawn(chart.spec) for chart in charts}

        first, second = await drawn(run), await drawn(offloader.run)

    assert list(first) == list(second)
    assert {key: why for key, why in first.items() if why} == {
        "daily-views": "the process died by SIGABRT"
    }
    assert not any(second.values())


async def test_drawings_that_end_the_report_are_left_out(offloader: Offloader) -> None:
    """Charts that were drawn by themselves are used; if they are too much together, none is."""
    data = channel_data(views=growing(40), items=catalogue(30))
    analysis = analyze(data)
    charts = [StoredChart(c.key, c.title, c.spec, c.alt) for c in build_charts(data, analysis)]
    request = Request(
        CHANNEL, stored(analysis), charts, [], [], None, "", None, today=date(2026, 3, 1)
    )
    lost: list[str] = []

    async def run(function: Callable[..., Any], /, *args: Any, limits: Limits) -> Any:
        if function is render and lost:
            lost.pop()
            return await offloader.run(offloaded.die, signal.SIGABRT, limits=limits)
        return await offloader.run(function, *args, limits=limits)

    for times, drawn in ((1, len(charts)), (2, 0)):
        lost += ["by its process"] * times
        page = (await render_apart(run, request, "html", "a4")).pages[0].decode()
        assert page.count('role="img"') == drawn
        reason = "with the charts, the process died by SIGABRT"
        assert page.count(f"could not be drawn: {reason}") == len(charts) - drawn


async def test_readers_and_renderers_have_no_network(offloader: Offloader, tmp_path: Path) -> None:
    """A parser that is led astray can tell nobody."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        path = str(tmp_path / "s")
        for limits in (apart.reading(0), apart.DRAWING, apart.COMPUTING):
            ways = await offloader.run(offloaded.ways_out, port, path, limits=limits)
            assert "open" not in ways.values()
