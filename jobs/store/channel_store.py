"""The store and its parts: every method is one transaction, and safe to repeat."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text

from jobs.lazy_import import imported
from jobs.store import (
    analyses,
    channels,
    columns,
    counts,
    listing,
    overview,
    pages,
    platform_days,
    profiles,
    quotas,
    readings,
    removal,
    renderings,
    schedules,
    schema,
    summaries,
    syncs,
)
from jobs.store.database import Database
from jobs.store.outbox import Outbox
from jobs.store.part import Part, reading, writing
from jobs.store.url import parse_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from jobs.channel.data import ChannelData


@asynccontextmanager
async def open_store(url: str) -> AsyncIterator[ChannelStore]:
    """
    Open the store at *url* (see `parse_url`), and close its connections at the end.

    Its tables must exist: see `migrate`.

    Raises:
        StoreError: *url* is wrong, the database cannot be reached, or its tables are missing.
    """
    parsed = parse_url(url)
    database = Database(parsed)
    try:
        await schema.check(database, parsed)
        yield ChannelStore(database)
    finally:
        await database.close()


class ChannelStore:
    """
    Channels, their counters, and what was made of them, part by part.

    When a method that writes returns, its whole transaction is committed; when it raises, none
    of it is. Writing the same again adds no record and loses none, so a job that runs twice does
    no harm. Any number of coroutines and processes may use one database.

    Raises:
        NotStoredError: What a record refers to is not stored (the channel, the analysis).
        StoreError: The database cannot be used, or cannot store a value (a time without a zone,
            a number that JSON does not have). Any method.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.channels = Channels(database)
        self.schedules = Schedules(database)
        self.syncs = Syncs(database)
        self.readings = Readings(database)
        self.analyses = Analyses(database)
        self.renderings = Renderings(database)
        self.profiles = Profiles(database)
        self.platform_days = PlatformDays(database)
        self.outbox = Outbox(database)
        self.quotas = Quotas(database)
        self.tables = Tables(database)

    async def ping(self) -> None:
        """Ask the database for an answer."""
        await self._database.read(Connection.scalar, text("SELECT 1"))


class Channels(Part):
    """The channels that the store knows, and where their data comes from."""

    register = writing(channels.register)
    register_all = writing(channels.register_all)
    rename = writing(channels.rename)
    set_time_zone = writing(channels.set_time_zone)
    owners_of = reading(channels.owners_of)
    find = reading(channels.find)
    all = reading(channels.all_channels)
    sources_of = reading(channels.sources_of)
    counts = reading(counts.counts)
    overviews = reading(overview.overviews)
    page = reading(listing.channel_page)
    unreadable = reading(listing.unreadable)
    remove = writing(removal.remove_channel)


class Schedules(Part):
    """When channels are synced next."""

    find = reading(schedules.find)
    set = writing(schedules.set_schedule)
    remove = writing(schedules.remove)
    page = reading(schedules.page)
    due = reading(schedules.due)
    advance = writing(schedules.advance)
    latest_publications = reading(schedules.latest_publications)


class Syncs(Part):
    """How each source of a channel was read last."""

    save = writing(syncs.save_sync)
    sources = reading(syncs.sources)
    failing = reading(syncs.failing_sources)
    listed_items = reading(syncs.listed_items)


class Readings(Part):
    """What sources have about channels: items as they are now, counters as history."""

    save = writing(readings.save_readings)
    columns = reading(columns.load)

    async def load(self, channel_id: str) -> ChannelData:
        """
        Return all that is known of the channel as data frames, from one state of the database.

        Raises:
            NotStoredError: There is no such channel.
        """
        found = await self.columns(channel_id)
        # The library of the frames is large: it is imported, and works, in a thread.
        frames = await imported("jobs.channel.frames")
        data: ChannelData = await asyncio.to_thread(frames.as_data, found)
        return data


class PlatformDays(Part):
    """The days on which the counters of most of a platform's channels were late, or caught up."""

    views_read = reading(platform_days.views_read)
    save = writing(platform_days.save_platform_days)


class Analyses(Part):
    """Analyses, with the charts and recommendations made of each."""

    save = writing(analyses.save_analysis)
    get = reading(analyses.analysis)
    latest = reading(analyses.latest_analysis)
    recent = reading(analyses.recent)
    runs = reading(analyses.runs)
    channel_ids = reading(pages.analysed_channel_ids)
    save_charts = writing(analyses.save_charts)
    charts = reading(analyses.charts)
    to_recommend = reading(analyses.to_recommend)
    save_recommendations = writing(analyses.save_recommendations)
    recommendations = reading(analyses.recommendations)
    answers = reading(analyses.answers)


class Renderings(Part):
    """Files made of analyses."""

    save = writing(renderings.save_rendering)
    of_channel = reading(renderings.renderings)
    report_paths = reading(renderings.report_paths)
    summaries_of = reading(summaries.summaries_of)
    summary = reading(summaries.summary)

    async def report_path(self, channel_id: str) -> str | None:
        """Return the path of the channel's newest HTML report, or None."""
        return (await self.report_paths([channel_id])).get(channel_id)


class Profiles(Part):
    """What channels' content is like, and which channels are similar."""

    changed = reading(profiles.profiles_changed)
    all = reading(profiles.all_profiles)
    save_similar = writing(profiles.save_similar)
    similar = reading(profiles.similar)


class Quotas(Part):
    """Units of an API that each account has spent, by day."""

    spend = writing(quotas.spend)
    exhaust = writing(quotas.exhaust)
    used = reading(quotas.used)


class Tables(Part):
    """Whole tables, page by page."""

    page = reading(pages.page)
