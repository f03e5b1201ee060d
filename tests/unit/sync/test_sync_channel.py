"""A sync saves what it can read, says how that went, and ends as its sources let it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from jobs import run_analytics, sync_channel, sync_due_channels
from jobs.channel.records import ChannelRecord, Platform, SourceRef, SyncOutcome
from jobs.scheduling import how_often, read_interval, schedule_channel, write_interval
from jobs.sources import SourceError
from jobs.sources.memory import SourceMemory
from jobs.sources.reader import SourceReader
from jobs.sources.youtube.plan import cost_per_day
from jobs.store import ChannelSchedule, NotStoredError
from jobs.sync_channel import sync_now
from runner import Bury, Retry
from runner.testing import collect
from tests.job_context import job_context
from tests.unit.sources.youtube.youtube_server import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from jobs.services import Services
    from jobs.store import ChannelStore
    from runner.testing import Collected
    from tests.unit.sources.local_server import LocalServer
    from tests.unit.sources.youtube.youtube_server import YoutubeServer

UC = "UC0000000000000000000001"
CHANNEL = ChannelRecord(UC, "One", Platform.YOUTUBE)
API = SourceRef("youtube-api", f"youtube:{UC}")
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:yt="http://www.youtube.com/xml/schemas/2015">
<id>yt:channel:{channel}</id><yt:channelId>{channel}</yt:channelId><title>One</title>{entries}
</feed>"""
ENTRY = """<entry><id>yt:video:{id}</id><yt:videoId>{id}</yt:videoId><title>{id}</title>
<published>2026-02-{day:02}T12:00:00+00:00</published></entry>"""
QUOTA = Fault(403, b'{"error": {"errors": [{"reason": "quotaExceeded"}]}}')


def _feed(*videos: tuple[str, int]) -> bytes:
    entries = "".join(ENTRY.format(id=video_id, day=day) for video_id, day in videos)
    return ATOM.format(channel=UC, entries=entries).encode()


def _publish(youtube: YoutubeServer, number: int, at: datetime) -> None:
    youtube.publish(UC, f"v{number:010}", at.isoformat())


async def _sync(services: Services, attempt: int = 1) -> tuple[dict[str, int], Collected]:
    ctx = job_context(sync_channel, services, attempt)
    with collect() as jobs:
        counts = await sync_channel(ctx, channel_id=UC)
    return counts, jobs


async def _outcomes(store: ChannelStore) -> list[tuple[str, SyncOutcome | None, int]]:
    sources = await store.syncs.sources(UC)
    return [(one.ref.kind, one.outcome, one.consecutive_failures) for one in sources]


async def test_sync_reads_all_sources_and_starts_the_analysis(
    services: Services, store: ChannelStore, youtube: YoutubeServer, server: LocalServer
) -> None:
    """Feed and interface of one channel are one channel's data."""
    youtube.add_channel(UC)
    youtube.publish(UC, "v0000000001", "2026-02-01T12:00:00Z")
    feed = SourceRef("feed", server.set("/feed", _feed(("v0000000002", 2))))
    await store.channels.register(CHANNEL, [API, feed])
    counts, jobs = await _sync(services)
    assert (counts["items_new"], counts["snapshots_new"]) == (2, 2)
    assert [job.kwargs["channel_id"] for job in jobs.of(run_analytics)] == [UC]
    assert await _outcomes(store) == [
        ("youtube-api", SyncOutcome.READ, 0),
        ("feed", SyncOutcome.READ, 0),
    ]


async def test_unchanged_feed_is_not_sent_again(
    services: Services, store: ChannelStore, server: LocalServer
) -> None:
    """The validators of the last answer are kept in the store, and change nothing."""
    headers = 'ETag: "one"\r\nLast-Modified: Sun, 01 Feb 2026 12:00:00 GMT\r\n'
    address = server.set("/feed", _feed(("v0000000001", 1)), headers=headers)
    await store.channels.register(CHANNEL, [SourceRef("feed", address)])
    await _sync(services)
    server.set("/feed", status="304 Not Modified")
    counts, _ = await _sync(services)
    assert counts == dict.fromkeys(counts, 0)
    assert await _outcomes(store) == [("feed", SyncOutcome.UNCHANGED, 0)]
    [request] = server.heads[1:]
    assert 'If-None-Match: "one"' in request
    assert "If-Modified-Since: Sun, 01 Feb 2026 12:00:00 GMT" in request


async def test_automatic_sync_renews_the_report_if_something_is_new(
    services: Services, store: ChannelStore, server: LocalServer
) -> None:
    """The first reading, a new item and one that left make a report; an unchanged feed none."""

    async def wants_report() -> list[bool]:
        with collect() as jobs:
            await sync_channel(job_context(sync_channel, services), channel_id=UC, report=None)
        return [job.kwargs["report"] for job in jobs.of(run_analytics)]

    address = server.set("/feed", _feed(("v2", 2), ("v1", 1)))
    await store.channels.register(CHANNEL, [SourceRef("feed", address)])
    assert await wants_report() == [True]
    assert await wants_report() == [False]
    server.set("/feed", _feed(("v3", 3), ("v2", 2), ("v1", 1)))
    assert await wants_report() == [True]
    server.set("/feed", _feed(("v3", 3), ("v1", 1)))
    assert await wants_report() == [True]
    assert await wants_report() == [False]


async def test_item_that_left_a_feeds_window_is_not_gone(
    services: Services, store: ChannelStore, server: LocalServer
) -> None:
    """Older than the oldest entry, an item is out of sight; newer, it was taken down."""
    address = server.set("/feed", _feed(("v3", 3), ("v2", 2), ("v1", 1)))
    await store.channels.register(CHANNEL, [SourceRef("feed", address)])
    await _sync(services)
    server.set("/feed", _feed(("v4", 4), ("v2", 2)))
    counts, _ = await _sync(services)
    assert (counts["items_new"], counts["items_left"]) == (1, 1)
    assert set(await store.syncs.listed_items(UC)) == {"v4", "v2", "v1"}


async def test_used_up_quota_parks_the_job_until_the_day_ends(
    services: Services, store: ChannelStore, youtube: YoutubeServer, server: LocalServer
) -> None:
    """No attempt is charged, the wait is that of the day, and the other source is saved."""
    youtube.add_channel(UC)
    youtube.faults.append(QUOTA)
    feed = SourceRef("feed", server.set("/feed", _feed(("v1", 1))))
    await store.channels.register(CHANNEL, [API, feed])
    with pytest.raises(Retry) as parked:
        await _sync(services)
    assert not parked.value.charge
    assert 0 < (parked.value.delay_s or 0) <= 25 * 3600 + 1800
    assert await _outcomes(store) == [
        ("youtube-api", SyncOutcome.PARKED, 0),
        ("feed", SyncOutcome.READ, 0),
    ]
    with pytest.raises(Retry):
        await _sync(services)
    assert len(youtube.asked) == 1


async def test_source_that_may_come_back_is_retried(
    services: Services, store: ChannelStore, server: LocalServer
) -> None:
    """A server that is down costs an attempt, and is noted with its reason."""
    address = server.set("/feed", status="503 Busy")
    await store.channels.register(CHANNEL, [SourceRef("feed", address)])
    with pytest.raises(SourceError, match="answered 503"):
        await _sync(services)
    server.set("/feed", status="429 Slow", headers="Retry-After: 77\r\n")
    with pytest.raises(Retry) as raised:
        await _sync(services)
    assert (raised.value.delay_s, raised.value.charge) == (77.0, True)
    [(channel_id, failing)] = await store.syncs.failing(at_least=2)
    assert (channel_id, failing.consecutive_failures) == (UC, 2)
    assert "answered 429 Slow" in failing.reason


async def test_source_that_is_gone_buries_unless_another_tells(
    services: Services, store: ChannelStore, server: LocalServer
) -> None:
    """Waiting does not help a 404; with a second source the sync goes on."""
    gone = SourceRef("feed", server.set("/gone", status="404 Not Found"))
    await store.channels.register(CHANNEL, [gone])
    with pytest.raises(Bury, match="answered 404"):
        await _sync(services)
    feed = SourceRef("feed", server.set("/feed", _feed(("v1", 1))))
    await store.channels.register(CHANNEL, [feed])
    counts, _ = await _sync(services)
    assert counts["items_new"] == 1


async def test_channel_without_a_source_is_buried(services: Services) -> None:
    """There is nothing to read, and no waiting for it."""
    with pytest.raises(Bury, match="the channel has no source"):
        await _sync(services)


async def test_scheduled_channel_is_looked_at_as_often_as_it_publishes(
    services: Services, store: ChannelStore, server: LocalServer
) -> None:
    """A daily channel comes due in six hours, give or take a tenth."""
    now = datetime.now(UTC)
    entries = "".join(
        ENTRY.replace(
            "2026-02-{day:02}T12:00:00+00:00", (now - n * timedelta(days=1)).isoformat()
        ).format(id=f"v{n}")
        for n in range(10)
    )
    feed = ATOM.format(channel=UC, entries=entries).encode()
    await store.channels.register(CHANNEL, [SourceRef("feed", server.set("/feed", feed))])
    await store.schedules.set(ChannelSchedule(UC, None, 60, now))
    await _sync(services)
    schedule = await store.schedules.find(UC)
    assert schedule is not None
    assert schedule.interval_s == pytest.approx(6 * 3600, abs=2)
    assert timedelta(hours=5.3) < schedule.due_at - now < timedelta(hours=6.7)


async def test_failing_scheduled_channel_comes_ever_later_and_does_not_die(
    services: Services, store: ChannelStore, server: LocalServer
) -> None:
    """Its schedule is its retry: the job ends, the failure is noted, the wait doubles."""
    address = server.set("/feed", status="404 Not Found")
    await store.channels.register(CHANNEL, [SourceRef("feed", address)])
    await store.schedules.set(ChannelSchedule(UC, 3600, 3600, datetime.now(UTC)))
    waits = []
    for _ in range(6):
        await _sync(services, attempt=1)
        schedule = await store.schedules.find(UC)
        assert schedule is not None
        waits.append((schedule.due_at - datetime.now(UTC)).total_seconds() / 3600)
    assert waits == [pytest.approx(hours, rel=0.11) for hours in (2, 4, 8, 16, 24, 24)]

    server.set("/feed", status="503 Busy")
    with pytest.raises(SourceError):
        await _sync(services, attempt=3)
    await _sync(services, attempt=4)


async def test_parked_channel_is_not_due_before_the_quota_is_back(
    services: Services, store: ChannelStore, youtube: YoutubeServer
) -> None:
    """Its schedule waits with it, so that no second sync is enqueued meanwhile."""
    youtube.faults.append(QUOTA)
    await store.channels.register(CHANNEL, [API])
    await store.schedules.set(ChannelSchedule(UC, 60, 60, datetime.now(UTC)))
    with pytest.raises(Retry) as parked:
        await _sync(services)
    schedule = await store.schedules.find(UC)
    assert schedule is not None
    wait_s = (schedule.due_at - datetime.now(UTC)).total_seconds()
    assert wait_s > (parked.value.delay_s or 0) - 1800


async def test_due_channels_are_enqueued_once_and_moved_on(
    services: Services, store: ChannelStore
) -> None:
    """Those due within a minute get one sync each, at its time, and are due an interval later."""
    now = datetime.now(UTC)
    soon, later = now + timedelta(seconds=40), now + timedelta(hours=1)
    for number, due_at in ((1, now - timedelta(hours=1)), (2, soon), (3, later)):
        await store.channels.register(ChannelRecord(f"UC{number}", "x", Platform.OTHER), [])
        await store.schedules.set(ChannelSchedule(f"UC{number}", None, 3600, due_at))
    ctx = job_context(sync_due_channels, services)
    with collect() as jobs:
        assert await sync_due_channels(ctx) == 2
        assert await sync_due_channels(ctx) == 0
    overdue, ahead = jobs.of(sync_channel)
    assert (overdue.kwargs["channel_id"], ahead.kwargs["channel_id"]) == ("UC1", "UC2")
    assert overdue.delay_s < 1  # the kit's clock stands, and the job reads its own
    assert 20 < ahead.delay_s <= 40
    assert (overdue.kwargs["report"], ahead.kwargs["report"]) == (None, None)
    assert await store.schedules.due(now + timedelta(minutes=50), 9) == []
    assert len(await store.schedules.due(now + timedelta(minutes=70), 9)) == 3


async def test_a_channel_has_one_sync_that_waits(services: Services, store: ChannelStore) -> None:
    """A scheduled one adds none; what a person asks for brings it forward, with a report."""
    now = datetime.now(UTC)
    await store.channels.register(CHANNEL, [API])
    await store.schedules.set(ChannelSchedule(UC, None, 3600, now + timedelta(seconds=50)))
    ctx = job_context(sync_due_channels, services)
    with collect() as jobs:
        assert await sync_due_channels(ctx) == 1
        [waiting] = jobs.of(sync_channel)
        assert waiting.delay_s > 0
        handle = await sync_now.enqueue(channel_id=UC)
        assert (handle.id, handle.created) == (waiting.job_id, False)
        [brought] = jobs.of(sync_channel)
        assert (brought.delay_s, brought.kwargs.get("report", True)) == (0, True)
        await store.schedules.set(ChannelSchedule(UC, None, 3600, now))
        assert await sync_due_channels(ctx) == 0
    assert len(jobs.of(sync_channel)) == 1


async def test_outage_of_the_database_leaves_no_dead_job(
    services: Services, tmp_path: Path
) -> None:
    """It runs every minute: what cannot be looked up now is looked up by the next."""
    with closing(sqlite3.connect(tmp_path / "store.db")) as database:
        database.execute("DROP TABLE channel_schedules")
        database.commit()
    ctx = job_context(sync_due_channels, services)
    assert await sync_due_channels(ctx) == 0


@pytest.mark.parametrize(("every_s", "due_s"), [(3_600, 3_600), (86_400, 7_200)])
async def test_changed_schedule_waits_for_the_old_time_or_the_new_interval(
    services: Services, store: ChannelStore, every_s: int, due_s: int
) -> None:
    """Whichever is sooner: a change is no sync, and no reason to wait longer for the next."""
    await store.channels.register(CHANNEL, [API])
    now = datetime.now(UTC)
    await store.schedules.set(ChannelSchedule(UC, 7_200, 7_200, now + timedelta(seconds=7_200)))
    changed = await schedule_channel(services, UC, every_s)
    assert changed.interval_s == every_s
    assert (changed.due_at - now).total_seconds() == pytest.approx(due_s, abs=5)


@pytest.mark.parametrize(
    ("text", "every_s", "written"),
    [
        ("90s", 90, "90s"),
        ("60m", 3_600, "1h"),
        ("90", 5_400, "90m"),
        ("12h", 43_200, "12h"),
        (" 2D ", 172_800, "2d"),
        ("1.5h", 5_400, "90m"),
        ("auto", None, "auto"),
    ],
)
def test_interval_is_read_and_written(text: str, every_s: int | None, written: str) -> None:
    """In the largest unit that is whole; what is written is read as the same."""
    assert read_interval(text) == every_s
    assert write_interval(every_s) == written
    assert read_interval(written) == every_s


@pytest.mark.parametrize(
    ("every_s", "words"),
    [
        (60, "every minute"),
        (90, "every 1 min 30 s"),
        (1_800, "every 30 minutes"),
        (3_600, "every hour"),
        (86_400, "every day"),
        (129_600, "every 36 hours"),
        (172_800, "every 2 days"),
        (30_137, "every 8 h 22 min"),
    ],
)
def test_interval_is_said_in_words(every_s: int, words: str) -> None:
    """As one would say it; an interval that fits no unit, as a length of time."""
    assert how_often(every_s) == words


async def test_channel_is_put_on_a_schedule(services: Services, store: ChannelStore) -> None:
    """It is due at once, and then as often as asked for, or as it publishes."""
    await store.channels.register(CHANNEL, [API])
    asked = await schedule_channel(services, UC, 900)
    assert (asked.every_s, asked.interval_s) == (900, 900)
    adaptive = await schedule_channel(services, UC)
    assert (adaptive.every_s, adaptive.interval_s) == (None, 86_400)
    assert await store.schedules.due(datetime.now(UTC), 9) == [adaptive]
    for odd, reason in ((59, "at most once a minute"), (400 * 86_400, "at least once a year")):
        with pytest.raises(ValueError, match=reason):
            await schedule_channel(services, UC, odd)
    with pytest.raises(NotStoredError):
        await schedule_channel(services, "UC9")


async def test_channel_left_alone_for_a_month_stays_within_its_cost(
    services: Services, store: ChannelStore, youtube: YoutubeServer
) -> None:
    """A video a day, a sync every six hours: new ones found, one taken down, few units spent."""
    start = datetime(2026, 3, 1, tzinfo=UTC)
    youtube.add_channel(UC)
    for number in range(100):
        _publish(youtube, number, start - (100 - number) * timedelta(days=1))
    reader = services.sources
    assert isinstance(reader, SourceReader)
    await store.channels.register(CHANNEL, [API])
    for step in range(30 * 4):
        now = start + step * timedelta(hours=6)
        if step % 4 == 1:
            _publish(youtube, 100 + step // 4, now)
        if step == 60:
            youtube.take_down(UC, "v0000000050")
        [source] = await store.syncs.sources(UC)
        memory = SourceMemory(source.memory, lambda: store.syncs.listed_items(UC))
        await store.syncs.save(UC, [await reader.read(API, UC, memory, now)])
    listed = await store.syncs.listed_items(UC)
    assert len(listed) == 129
    assert "v0000000050" not in listed
    data = await store.readings.load(UC)
    assert data.daily.height == 120
    expected = 30 * cost_per_day(130, recent=7, young=90, syncs=4)
    assert len(youtube.asked) == pytest.approx(expected, rel=0.05)
