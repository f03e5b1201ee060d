"""The platform's own days are measured from counters, and come with each channel's data."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from jobs import measure_platform_days
from jobs.channel.platform_day import PlatformDay
from jobs.channel.records import (
    ChannelGain,
    ChannelReading,
    ChannelRecord,
    ChannelSnapshot,
    Platform,
)
from jobs.notifications.log_sender import LogSender
from jobs.notifications.target import Target
from jobs.services import Services
from jobs.sources.reader import SourceReader
from tests.job_context import job_context

if TYPE_CHECKING:
    from pathlib import Path

    from jobs.store import ChannelStore

START = datetime(2026, 6, 1, 4, tzinfo=UTC)
LATE = 20


def counters(number: int, platform: Platform = Platform.YOUTUBE) -> ChannelReading:
    """Make a channel that gains the same each day, but nothing on one: it comes a day later."""
    gains = [1_000 * (number + 1) + 10 * (i * (number + 3) % 7) for i in range(30)]
    gains[LATE + 1] += gains[LATE]
    gains[LATE] = 0
    return ChannelReading(
        ChannelRecord(f"{platform.value}{number}", f"Channel {number}", platform),
        channel_snapshots=[
            ChannelSnapshot(START + timedelta(days=i), 1_000, 50_000 + sum(gains[: i + 1]), None)
            for i in range(30)
        ],
    )


async def test_a_late_day_comes_with_every_channel(store: ChannelStore, tmp_path: Path) -> None:
    """One measurement finds the day; the data of each channel has it, and another fingerprint."""
    services = Services(store, SourceReader(), [Target("log", LogSender())], tmp_path / "reports")
    for number in range(25):
        await store.readings.save([counters(number)])
    await store.readings.save([counters(0, Platform.PODCAST)])
    before = await store.readings.load("youtube3")
    context = job_context(measure_platform_days, services)
    assert await measure_platform_days(context) == 2
    after = await store.readings.load("youtube3")
    # What is read at four in the morning came in on the day before.
    late = START.date() + timedelta(days=LATE - 1)
    assert [(one.day, one.factor < 1) for one in after.platform_days] == [
        (late, True),
        (late + timedelta(days=1), False),
    ]
    assert after.platform_days[0].channels == 25
    assert after.fingerprint != before.fingerprint
    assert (await store.readings.load("podcast0")).platform_days == ()
    # Measured again, nothing changes.
    assert await measure_platform_days(context) == 2
    assert (await store.readings.load("youtube3")).fingerprint == after.fingerprint


async def test_a_channel_gets_the_days_between_its_readings(store: ChannelStore) -> None:
    """Days before its first reading say nothing; an owner's gains are complete, and get none."""
    days = [PlatformDay(date(2026, 6, day), 0.5, 0.25, 40) for day in (1, 10, 29)]
    await store.platform_days.save(Platform.YOUTUBE, date(2026, 1, 1), days)
    reading = counters(0)
    late = replace(reading, channel_snapshots=reading.channel_snapshots[5:])
    await store.readings.save([late])
    assert list((await store.readings.load("youtube0")).platform_days) == days[1:]
    await store.platform_days.save(Platform.YOUTUBE, date(2026, 6, 5), days[2:])
    assert list((await store.readings.load("youtube0")).platform_days) == days[2:]
    exported = ChannelReading(late.channel, channel_gains=[ChannelGain(date(2026, 6, 10), 5)])
    await store.readings.save([exported])
    assert (await store.readings.load("youtube0")).platform_days == ()


@pytest.mark.parametrize("platform", list(Platform))
async def test_an_empty_store_has_nothing_to_measure(
    store: ChannelStore, platform: Platform
) -> None:
    """No channel, no reading."""
    assert await store.platform_days.views_read(platform) == []
