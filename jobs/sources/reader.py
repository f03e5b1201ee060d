"""All sources, as one process reaches them: with its key, its quota, and where it may connect."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from jobs import apart
from jobs.channel.records import SourceResult, SyncOutcome
from jobs.sources.discover import discover_at
from jobs.sources.fetch import NotModified, fetch
from jobs.sources.guard import read_apart
from jobs.sources.location import FilePath, WebAddress, YoutubeLocation, parse
from jobs.sources.open_source import mapping_for, open_location, size_of
from jobs.sources.opml import feeds_at
from jobs.sources.source import SourceError
from jobs.sources.youtube.channel import find_channel, read_channel
from jobs.sources.youtube.name import NameKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.channel.records import ChannelReading, SourceRef
    from jobs.sources.csv.fact_cache import FactCache
    from jobs.sources.discover import Finding
    from jobs.sources.document import Document
    from jobs.sources.memory import SourceMemory
    from jobs.sources.youtube.api import YoutubeApi

_FEED = "https://www.youtube.com/feeds/videos.xml?channel_id="


@dataclass(frozen=True, slots=True)
class SourceReader:
    """
    Finds and reads sources.

    youtube: the Data API; None without a key. fact_cache: keeps the facts of CSVs, for other
    processes too. allow_private: whether addresses may lead into private networks. run: where what
    came from outside is looked at.
    """

    youtube: YoutubeApi | None = None
    fact_cache: FactCache | None = None
    allow_private: bool = False
    run: apart.Run = apart.in_thread

    async def discover(self, location: str, mapping: str | None = None) -> list[Finding]:
        """
        Look into *location* and return what is there; nothing is raised for what is damaged.

        A file, a folder, the address of a feed, `samples:`, or any name of a channel on YouTube
        (`youtube:@handle`, `youtube:UC…`, the address of the channel or of one of its videos).
        A CSV is read by *mapping*, if there is one.
        """
        try:
            place = parse(location)
            if isinstance(place, YoutubeLocation):
                return [await find_channel(self._youtube(place), place.name, place.text)]
        except SourceError as error:
            return [error]
        fetching = partial(fetch, allow_private=self.allow_private, run=self.run)
        return await discover_at(place, self.fact_cache, mapping, fetch=fetching, run=self.run)

    async def feeds_listed(self, location: str) -> list[str] | None:
        """
        Return the addresses that a list of feeds at *location* names; None if it is no such list.

        Raises:
            SourceError: The list is damaged.
        """
        place = parse(location)
        if not isinstance(place, FilePath):
            return None
        found = await read_apart(self.run, place.text, size_of(place), feeds_at, place.text)
        return None if found is None else [each.address for each in found]

    async def guess_mapping(self, location: str) -> str:
        """
        Return a mapping file for the list in the file at *location*, as TOML.

        Raises:
            SourceError: It is no list, or nothing of it was understood.
        """
        place = parse(location)
        if not isinstance(place, FilePath):
            raise SourceError(location, "is no file", "Name a file with a list in it")
        return await read_apart(self.run, place.text, size_of(place), mapping_for, place.text)

    async def read(
        self, ref: SourceRef, channel_id: str, memory: SourceMemory, now: datetime | None = None
    ) -> SourceResult:
        """
        Read what the source has of the channel now, or what changed since *memory*.

        now: the time for a source that plans by time; else the clock's.

        Raises:
            QuotaError: Its quota is used up for today; it holds what was read until then.
            SourceError: It cannot be read, or does not know the channel.
        """
        place = parse(ref.location)
        match place:
            case YoutubeLocation():
                api = self._youtube(place)
                return await read_channel(api, ref.location, channel_id, memory, now)
            case WebAddress():
                return await self._read_address(place, ref, channel_id, memory)
        source = await open_location(place, ref.kind, fact_cache=self.fact_cache, run=self.run)
        # Thousands of items take tens of milliseconds to make.
        return _result(ref, await asyncio.to_thread(source.read, channel_id))

    async def _read_address(
        self, address: WebAddress, ref: SourceRef, channel_id: str, memory: SourceMemory
    ) -> SourceResult:
        fetched: list[Document] = []

        async def fetch_changed(address: str) -> Document:
            known = memory.kept.get("validators")
            document = await fetch(
                address, validators=known, allow_private=self.allow_private, run=self.run
            )
            fetched.append(document)
            return document

        try:
            source = await open_location(
                address, ref.kind, fact_cache=self.fact_cache, fetch=fetch_changed, run=self.run
            )
        except NotModified:
            return SourceResult(ref, datetime.now(UTC), SyncOutcome.UNCHANGED)
        kept = {"validators": dict(fetched[-1].validators)}
        return _result(ref, source.read(channel_id), kept)

    def _youtube(self, location: YoutubeLocation) -> YoutubeApi:
        if self.youtube is not None:
            return self.youtube
        known = location.name.text if location.name.kind is NameKind.CHANNEL else "UC…"
        remedy = (
            f"Set YOUTUBE_API_KEY (it is free: docs/sources.md), or name its feed, {_FEED}{known}, "
            "which has the newest 15 videos"
        )
        raise SourceError(location.text, "needs a key of the YouTube Data API", remedy)


def _result(
    ref: SourceRef, reading: ChannelReading, kept: Mapping[str, Any] | None = None
) -> SourceResult:
    return SourceResult(ref, datetime.now(UTC), SyncOutcome.READ, reading=reading, memory=kept)
