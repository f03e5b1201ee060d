"""The store: every method is one transaction, and may be repeated without harm."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, text

from jobs.lazy_import import imported
from jobs.store import (
    analyses,
    channels,
    columns,
    counts,
    listing,
    notifications,
    overview,
    pages,
    profiles,
    quotas,
    removal,
    schedules,
    schema,
    syncs,
)
from jobs.store.database import Database
from jobs.store.errors import NotStoredError
from jobs.store.outbox import Outbox
from jobs.store.readings import save_readings
from jobs.store.url import parse_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from jobs.channel.columns import ChannelColumns
    from jobs.channel.data import ChannelData
    from jobs.channel.records import ChannelReading, ChannelRecord, SourceRef, SourceResult
    from jobs.json_text import JsonText
    from jobs.store.rows import (
        AnalysedChannel,
        ChannelCounts,
        ChannelOverview,
        ChannelSchedule,
        ListedChannel,
        ScheduledChannel,
        StoredAnalysis,
        StoredChart,
        StoredNotification,
        StoredProfile,
        StoredRecommendation,
        StoredRendering,
        StoredSource,
        SyncCounts,
    )


@asynccontextmanager
async def open_store(url: str) -> AsyncIterator[ChannelStore]:
    """
    Open the store at *url* (see `parse_url`), and close its connections at the end.

    Its tables must be there: see `migrate`.

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
    Channels, their counters, and what was made of them.

    When a method that writes returns, its whole transaction is committed; when it raises, none
    of it is. Writing the same again adds no record and loses none, so a job that
    runs twice does no harm. Any number of coroutines and processes may use one database.

    Raises:
        NotStoredError: What a record refers to is not stored (the channel, the analysis).
        StoreError: The database cannot be used, or cannot store this (a time without a zone, a
            number that JSON cannot say). Any method.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.outbox = Outbox(database)

    async def ping(self) -> None:
        """Ask the database for an answer."""
        await self._database.read(Connection.scalar, text("SELECT 1"))

    async def register(self, channel: ChannelRecord, sources: Sequence[SourceRef]) -> None:
        """Save *channel*, and add to its sources those of *sources* that are new."""
        await self._database.write(channels.register, channel, sources)

    async def register_all(
        self, channels_with_sources: Sequence[tuple[ChannelRecord, Sequence[SourceRef]]]
    ) -> None:
        """Do for each what `register` does, all in one transaction."""
        await self._database.write(channels.register_all, channels_with_sources)

    async def sources_of(self, channel_id: str) -> list[SourceRef]:
        """Give the channel's sources in the order of their registration."""
        return await self._database.read(channels.sources_of, channel_id)

    async def channel(self, channel_id: str) -> ChannelRecord | None:
        """Give the channel, or None."""
        return await self._database.read(channels.channel, channel_id)

    async def channels(self) -> list[ChannelRecord]:
        """Give all channels, by id."""
        return await self._database.read(channels.channels)

    async def overviews(
        self, text: str = "", limit: int | None = None
    ) -> tuple[int, list[ChannelOverview]]:
        """
        Give how many channels have *text* in title or id, and the first *limit* by title.

        All of them without a text, or a limit.
        """
        return await self._database.read(overview.overviews, text, limit)

    async def remove(self, channel_id: str) -> bool:
        """Remove the channel with all that is known and made of it; whether it was there."""
        return await self._database.write(removal.remove_channel, channel_id)

    async def page(
        self,
        kept: pages.Kept,
        columns: Sequence[str],
        *,
        channel_id: str | None = None,
        after: Sequence[Any] | None = None,
    ) -> list[tuple[Any, ...]]:
        """
        Give *columns* of the next rows of a whole table, or of one channel's part, by key.

        *after* is the key of the last row seen; an empty page is the last one.
        """
        return await self._database.read(pages.page, kept, columns, channel_id, after)

    async def analysed_channels(self, after: str = "", limit: int = 100) -> list[str]:
        """Give the ids of *limit* analysed channels, those that follow *after*."""
        return await self._database.read(pages.channel_ids, after, limit)

    async def channel_page(
        self, *, after: str | None = None, text: str = "", limit: int = 50
    ) -> list[ListedChannel]:
        """Give *limit* channels by id, those after *after* whose title or id has *text* in it."""
        return await self._database.read(listing.channel_page, after, text, limit)

    async def save_readings(self, readings: Sequence[ChannelReading]) -> SyncCounts:
        """
        Save all that *readings*, of one channel, tell; the last wins where they differ.

        Titles and the like become what was told last; what is not told stays as it was.
        Counters of another time are further snapshots, falling ones too.

        Raises:
            ValueError: The readings are of several channels, or there is none.
        """
        if len({reading.channel.id for reading in readings}) != 1:
            raise ValueError("readings of exactly one channel are saved at a time")
        return await self._database.write(save_readings, readings)

    async def save_sync(
        self,
        channel_id: str,
        results: Sequence[SourceResult],
        plan: schedules.Plan | None = None,
    ) -> tuple[SyncCounts, ChannelSchedule | None]:
        """
        Save what was read of the channel's sources, as `save_readings`, and how reading them went.

        A source's memory is committed with what it told, so it never knows more than the store.
        If the channel is synced by itself, its schedule becomes what *plan* makes of it.

        Returns with the counts the channel's schedule, None if it is synced only when asked to.

        Raises:
            ValueError: A reading is of another channel.
        """
        if any(one.reading and one.reading.channel.id != channel_id for one in results):
            raise ValueError(f"readings of {channel_id} only are saved in its sync")
        return await self._database.write(syncs.save_sync, channel_id, results, plan)

    async def sources(self, channel_id: str) -> list[StoredSource]:
        """Give the channel's sources in the order of their registration, and how they went last."""
        return await self._database.read(syncs.sources, channel_id)

    async def failing_sources(self, at_least: int = 1) -> list[tuple[str, StoredSource]]:
        """Give the sources that failed *at_least* so many times in a row, by channel."""
        return await self._database.read(syncs.failing_sources, at_least)

    async def listed_items(self, channel_id: str) -> dict[str, datetime | None]:
        """Give the items that a source of the channel lists now, with their dates, by id."""
        return await self._database.read(syncs.listed_items, channel_id)

    async def set_schedule(self, schedule: ChannelSchedule) -> None:
        """
        Sync a channel by itself from now on, as *schedule* says; it replaces an earlier one.

        Raises:
            NotStoredError: There is no such channel.
        """
        await self._database.write(schedules.set_schedule, schedule)

    async def remove_schedule(self, channel_id: str) -> bool:
        """Sync the channel no more by itself; False if it was not."""
        return await self._database.write(schedules.remove_schedule, channel_id)

    async def schedule(self, channel_id: str) -> ChannelSchedule | None:
        """Give the channel's schedule, or None if it is synced only when asked to."""
        return await self._database.read(schedules.schedule, channel_id)

    async def schedule_page(
        self, after: tuple[datetime, str] | None, limit: int
    ) -> list[ScheduledChannel]:
        """
        Give *limit* scheduled channels by when they are due.

        after: when and which channel the one before them is; None for the first.
        """
        return await self._database.read(schedules.schedule_page, after, limit)

    async def due_schedules(self, now: datetime, limit: int) -> list[ChannelSchedule]:
        """Give at most *limit* schedules that are due at *now*, the longest overdue first."""
        return await self._database.read(schedules.due_schedules, now, limit)

    async def advance_schedules(self, moves: Sequence[tuple[ChannelSchedule, datetime]]) -> None:
        """Move each to its new time, unless it was moved, by its sync, since it was read."""
        await self._database.write(schedules.advance_schedules, moves)

    async def latest_publications(self, channel_id: str, limit: int) -> list[datetime]:
        """Give the dates of the channel's *limit* newest items, the newest first."""
        return await self._database.read(schedules.latest_publications, channel_id, limit)

    async def spend_quota(self, account: str, day: str, units: int, budget: int) -> bool:
        """
        Count *units* of the account's *day*, unless more than *budget* were spent with them.

        Whoever gets True may spend them: of many who ask at once, no more than the budget get it.
        """
        return await self._database.write(quotas.spend_quota, account, day, units, budget)

    async def exhaust_quota(self, account: str, day: str, budget: int) -> None:
        """Note that nothing is left of the account's *day*, whatever was counted here."""
        await self._database.write(quotas.exhaust_quota, account, day, budget)

    async def quota_used(self, account: str, day: str) -> int:
        """Give the units counted on the account's *day*."""
        return await self._database.read(quotas.quota_used, account, day)

    async def load(self, channel_id: str) -> ChannelData:
        """
        Give all that is known of the channel, as one state of the database.

        Raises:
            NotStoredError: There is no such channel.
        """
        told = await self.columns(channel_id)
        # The library of the tables is large: imported, and worked with, in a thread.
        frames = await imported("jobs.channel.frames")
        data: ChannelData = await asyncio.to_thread(frames.as_data, told)
        return data

    async def columns(self, channel_id: str) -> ChannelColumns:
        """
        Give the same as plain columns: for who hands them on to a process that computes.

        Raises:
            NotStoredError: There is no such channel.
        """
        return await self._database.read(columns.load, channel_id)

    async def save_analysis(
        self, channel_id: str, fingerprint: str, document: Mapping[str, Any] | JsonText
    ) -> str:
        """
        Save what was found in the data of *fingerprint*, and give its id, made of these two.

        Saved again it is the channel's latest; with another document it is to be charted and
        recommended anew (`charted_at` and `recommended_at` are None).
        """
        return await self._database.write(analyses.save_analysis, channel_id, fingerprint, document)

    async def analysis(self, analysis_id: str) -> StoredAnalysis | None:
        """Give the analysis, or None."""
        return await self._database.read(analyses.analysis, analysis_id)

    async def stored_analysis(self, analysis_id: str) -> StoredAnalysis:
        """
        Give the analysis.

        Raises:
            NotStoredError: There is none of this id.
        """
        stored = await self.analysis(analysis_id)
        if stored is None:
            raise NotStoredError(f"analysis {analysis_id}", "it is not in the store")
        return stored

    async def latest_analysis(self, channel_id: str) -> StoredAnalysis | None:
        """Give the channel's analysis that was saved last, or None."""
        return await self._database.read(analyses.latest_analysis, channel_id)

    async def save_charts(self, analysis_id: str, charts: Sequence[StoredChart]) -> None:
        """Make *charts* the charts of the analysis, and it `charted_at` now."""
        await self._database.write(analyses.save_charts, analysis_id, charts)

    async def charts(self, analysis_id: str) -> list[StoredChart]:
        """Give the charts of the analysis, as ordered when saved."""
        return await self._database.read(analyses.charts, analysis_id)

    async def save_recommendations(
        self,
        analysis_id: str,
        items: Sequence[StoredRecommendation],
        answers: Mapping[str, Any] | None = None,
        profile: tuple[str, bytes] | None = None,
    ) -> bool:
        """
        Make *items*, maybe none, those of the analysis, and it `recommended_at` now.

        *answers* tell what came of every subject that was looked at, “no evidence” included. A
        *profile*, its fingerprint first, tells what the channel's content is like: it is saved
        unless that of the fingerprint is stored, and what `save_similar` noted last for the channel
        becomes the answer “similar”.

        Returns whether the analysis has its charts, too: of the two that save these and those, the
        later one learns it.
        """
        return await self._database.write(
            analyses.save_recommendations, analysis_id, items, answers, profile
        )

    async def to_recommend(self, analysis_id: str) -> AnalysedChannel | None:
        """
        Give the analysis and the data of its channel, as one state; None if it is recommended.

        Raises:
            NotStoredError: There is none of this id.
        """
        return await self._database.read(analyses.to_recommend, analysis_id)

    async def is_complete(self, analysis_id: str) -> bool:
        """Say whether both charts and recommendations of the analysis are stored."""
        return await self._database.read(analyses.is_complete, analysis_id)

    async def answers(self, analysis_id: str) -> dict[str, Any] | None:
        """Give the answers saved with the recommendations of the analysis, or None."""
        return await self._database.read(analyses.answers, analysis_id)

    async def profiles_changed(self) -> bool:
        """Say whether a profile was saved that `save_similar` has not seen."""
        return await self._database.read(profiles.profiles_changed)

    async def profiles(self) -> list[StoredProfile]:
        """Give the profiles of all channels, by channel: a few kilobytes each."""
        return await self._database.read(profiles.profiles)

    async def save_similar(self, similar: Mapping[str, Mapping[str, Any]]) -> None:
        """Note for each channel which others it is like; what was noted before is replaced."""
        await self._database.write(profiles.save_similar, similar)

    async def similar(self, channel_id: str) -> dict[str, Any] | None:
        """Give what `save_similar` noted last for the channel, or None."""
        return await self._database.read(profiles.similar, channel_id)

    async def recommendations(self, analysis_id: str) -> list[StoredRecommendation]:
        """Give the recommendations of the analysis, as ordered when saved."""
        return await self._database.read(analyses.recommendations, analysis_id)

    async def save_rendering(
        self,
        analysis_id: str,
        chart_key: str | None,
        format: str,  # noqa: A002 -- no other word says it
        path: str | Path,
    ) -> None:
        """Record that *path* holds the chart, or with None the whole report, in *format*."""
        await self._database.write(
            analyses.save_rendering, analysis_id, chart_key, format, str(path)
        )

    async def renderings(self, channel_id: str) -> list[StoredRendering]:
        """Give the files made for the channel, the newest first."""
        return await self._database.read(analyses.renderings, channel_id)

    async def report_path(self, channel_id: str) -> str | None:
        """Give where the channel's newest HTML report lies, or None."""
        return (await self.report_paths([channel_id])).get(channel_id)

    async def report_paths(self, channel_ids: Sequence[str]) -> dict[str, str]:
        """Give where the newest HTML report of each of *channel_ids* lies that has one."""
        return await self._database.read(analyses.report_paths, channel_ids)

    async def notification(self, key: str) -> StoredNotification | None:
        """Give the notification, or None. `outbox` records it, and brings it to people."""
        return await self._database.read(notifications.notification, key)

    async def counts(self, channel_ids: Sequence[str]) -> dict[str, ChannelCounts]:
        """Count what is stored of each of *channel_ids*, zeros for an unknown one."""
        return await self._database.read(counts.counts, channel_ids)
