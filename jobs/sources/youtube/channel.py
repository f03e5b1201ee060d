"""
A channel on YouTube, read by the Data API: found by any of its names, then read part by part.

Needs a key (`YOUTUBE_API_KEY`). Yields the channel's counters, its public videos with length,
category, tags, and their counters. `plan` decides what a sync asks for.

All videos of a channel are in its uploads playlist, the newest first. A pass over all of it is a
complete listing; a shorter one is complete from its oldest video on. A video that is asked for by
id and missing in the answer has left, too: it is deleted or private.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from jobs.channel.records import (
    EVER,
    ChannelReading,
    ChannelRecord,
    ItemRecord,
    ItemSnapshot,
    Listing,
    SourceRef,
    SourceResult,
    SyncOutcome,
)
from jobs.sources.description import joined
from jobs.sources.source import SourceError
from jobs.sources.youtube.api import PAGE_SIZE, NotFoundError, Page
from jobs.sources.youtube.name import NameKind, location_of
from jobs.sources.youtube.plan import cost_of_everything, plan_at, videos_to_ask
from jobs.sources.youtube.quota import QuotaError
from jobs.sources.youtube.records import (
    ChannelFacts,
    channel_facts,
    listed_video,
    video_item,
    video_snapshot,
)
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobs.channel.records import Reject
    from jobs.sources.memory import SourceMemory
    from jobs.sources.youtube.api import YoutubeApi
    from jobs.sources.youtube.name import YoutubeName
    from jobs.sources.youtube.plan import Plan

KIND = "youtube-api"

_CHANNEL_PARTS = "snippet,statistics,contentDetails"
_VIDEO_PARTS = "snippet,contentDetails,statistics,liveStreamingDetails"
_MOST_PAGES_OF_A_SHORT_PASS = 4
_END = Page([], None, None)
_NO_CHANNEL = "Check the name; the channel may be gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class YoutubeChannel:
    """A channel that was found; see `Source`. Its videos are read when it is synced."""

    ref: SourceRef
    observed_at: datetime
    facts: ChannelFacts
    rejects: Sequence[Reject] = ()

    def describe(self) -> str:
        """Describe which channel it is, and its counters."""
        facts = self.facts
        return joined(
            f"YouTube channel '{facts.record().title}'",
            "subscribers hidden"
            if facts.subscribers is None
            else counted(facts.subscribers, "subscriber"),
            "" if facts.items is None else counted(facts.items, "video"),
        )

    def channels(self) -> Sequence[ChannelRecord]:
        """Return the one channel."""
        return [self.facts.record()]

    def read(self, channel_id: str) -> ChannelReading:
        """Return its counters, which is all that was read to find it."""
        if channel_id != self.facts.id:
            raise SourceError(self.ref.location, f"has no channel {channel_id}")
        return ChannelReading(
            self.facts.record(), channel_snapshots=[self.facts.snapshot(self.observed_at)]
        )


async def find_channel(api: YoutubeApi, name: YoutubeName, location: str) -> YoutubeChannel:
    """
    Find the channel called *name*, for 1 unit, or 2 to 3 if it could be of several kinds.

    location: how the name was written, for errors.

    Raises:
        SourceError: There is none, or YouTube cannot be asked.
    """
    facts = await _facts_by_name(api, name, location)
    return YoutubeChannel(
        ref=SourceRef(KIND, location_of(facts.id)),
        observed_at=datetime.now(UTC),
        facts=facts,
    )


async def _facts_by_name(api: YoutubeApi, name: YoutubeName, location: str) -> ChannelFacts:
    if name.kind is NameKind.VIDEO:
        page = await api.list("videos", {"part": "snippet", "id": name.text}, location=location)
        owners = [
            str(entry.get("snippet", {}).get("channelId", ""))
            for entry in (page.items if page else ())
        ]
        questions = [{"id": owner} for owner in owners if owner]
    else:
        questions = _questions(name)
    for question in questions:
        page = await api.list("channels", {"part": _CHANNEL_PARTS, **question}, location=location)
        if page and page.items:
            return channel_facts(page.items[0])
    raise NotFoundError(location, f"YouTube knows nothing of the {name}", _NO_CHANNEL)


def _questions(name: YoutubeName) -> list[dict[str, str]]:
    """No parameter takes a custom name; most are handles of the same spelling by now."""
    match name.kind:
        case NameKind.CHANNEL:
            return [{"id": name.text}]
        case NameKind.HANDLE:
            return [{"forHandle": name.text}]
        case NameKind.USER:
            return [{"forUsername": name.text}, {"forHandle": f"@{name.text}"}]
        case _:
            return [{"forHandle": f"@{name.text}"}, {"forUsername": name.text}]


async def read_channel(
    api: YoutubeApi,
    location: str,
    channel_id: str,
    memory: SourceMemory,
    now: datetime | None = None,
) -> SourceResult:
    """
    Read what is new of the channel since *memory*, and the counters that are due.

    Raises:
        QuotaError: The day's quota was used up on the way; it holds what was read before that.
        NotFoundError: There is no such channel any more.
        SourceError: YouTube cannot be asked.
    """
    at = now or datetime.now(UTC)
    sync = _Sync(api, location, channel_id, at, dict(memory.kept), await memory.listed_items())
    try:
        await sync.run()
    except QuotaError as error:
        error.reading = sync.reading()
        raise
    return SourceResult(
        SourceRef(KIND, location),
        at,
        SyncOutcome.READ,
        reading=sync.reading(),
        memory=sync.memory,
    )


@dataclass(slots=True, eq=False)
class _Sync:
    """One sync: what it has read so far, and what it will remember."""

    api: YoutubeApi
    location: str
    channel_id: str
    now: datetime
    memory: dict[str, Any]
    known: Mapping[str, datetime | None]
    facts: ChannelFacts | None = None
    items: list[ItemRecord] = field(default_factory=list)
    snapshots: list[ItemSnapshot] = field(default_factory=list)
    listed: dict[str, datetime | None] = field(default_factory=dict)
    since: datetime | None = None
    gone: list[str] = field(default_factory=list)

    async def run(self) -> None:
        """Ask for all that is due, what is cheap and new first."""
        self.facts = await self._channel()
        plan = await self._plan(self.facts)
        await self._list_uploads(self.facts, whole=plan.everything)
        await self._ask_videos(self._due(plan))
        stamp = self.now.isoformat()
        if plan.everything:
            self.memory["everything_at"] = stamp
        if plan.everything or plan.young:
            self.memory["young_at"] = stamp

    def reading(self) -> ChannelReading | None:
        """Return what was read; None if not even the channel was."""
        if self.facts is None:
            return None
        return ChannelReading(
            self.facts.record(),
            items=self.items,
            channel_snapshots=[self.facts.snapshot(self.now)],
            item_snapshots=self.snapshots,
            listing=Listing(self.now, list(self.listed), self.since, self.gone),
        )

    async def _channel(self) -> ChannelFacts:
        kept: dict[str, Any] = self.memory.get("channel", {})
        etag = self.memory.get("channel_etag") if kept else None
        page = await self.api.list(
            "channels",
            {"part": _CHANNEL_PARTS, "id": self.channel_id},
            location=self.location,
            etag=etag,
        )
        if page is None:
            return ChannelFacts(**kept)
        if not page.items:
            raise NotFoundError(self.location, "YouTube knows no such channel", _NO_CHANNEL)
        facts = channel_facts(page.items[0])
        self.memory |= {"channel": asdict(facts), "channel_etag": page.etag}
        return facts

    async def _plan(self, facts: ChannelFacts) -> Plan:
        """Put off a whole pass that today's quota does not cover: a part of it would be lost."""
        plan = plan_at(self.now, self.memory)
        if not plan.everything:
            return plan
        cost = cost_of_everything(max(facts.items or 0, len(self.known)))
        affordable = cost <= await self.api.quota.left()
        return type(plan)(young=plan.young, everything=affordable)

    async def _list_uploads(self, facts: ChannelFacts, *, whole: bool) -> None:
        """Page through the uploads, newest first, until all is known or, if *whole*, to the end."""
        if facts.uploads is None:
            return
        try:
            page = await self._page(
                facts.uploads, etag=None if whole else self.memory.get("uploads_etag")
            )
            if page is None:
                return
            self.memory["uploads_etag"] = page.etag
            pages = 1
            while page.next_token and (whole or not self._is_enough(page, pages)):
                page = await self._page(facts.uploads, token=page.next_token) or _END
                pages += 1
        except NotFoundError:  # YouTube's answer for a channel that never uploaded anything
            self.since = EVER if facts.items == 0 else None
            return
        self.since = _oldest(list(self.listed.values())) if page.next_token else EVER

    async def _page(
        self, playlist: str, *, token: str | None = None, etag: str | None = None
    ) -> Page | None:
        parameters = {"part": "contentDetails", "maxResults": str(PAGE_SIZE)}
        parameters |= {"playlistId": playlist} | ({"pageToken": token} if token else {})
        page = await self.api.list("playlistItems", parameters, location=self.location, etag=etag)
        if page is not None:
            self.listed |= dict(filter(None, map(listed_video, page.items)))
        return page

    def _is_enough(self, page: Page, pages: int) -> bool:
        ids = [found[0] for found in map(listed_video, page.items) if found]
        return pages >= _MOST_PAGES_OF_A_SHORT_PASS or any(one in self.known for one in ids)

    def _due(self, plan: Plan) -> list[str]:
        """Return new videos first: if the quota ends on the way, they have been read."""
        new = [video_id for video_id in self.listed if video_id not in self.known]
        if plan.everything:
            return new + [video_id for video_id in self.listed if video_id in self.known]
        return new + videos_to_ask(self.known, self.now, plan)

    async def _ask_videos(self, video_ids: Sequence[str]) -> None:
        for start in range(0, len(video_ids), PAGE_SIZE):
            asked = video_ids[start : start + PAGE_SIZE]
            page = await self.api.list(
                "videos", {"part": _VIDEO_PARTS, "id": ",".join(asked)}, location=self.location
            )
            entries = {str(entry.get("id")): entry for entry in (page.items if page else ())}
            self.gone += [video_id for video_id in asked if video_id not in entries]
            answered = [entries[video_id] for video_id in asked if video_id in entries]
            self.items += map(video_item, answered)
            counted = (video_snapshot(entry, self.now) for entry in answered)
            self.snapshots += [snapshot for snapshot in counted if snapshot]


def _oldest(dates: Sequence[datetime | None]) -> datetime | None:
    """Return the date from which a list is complete; None if its order does not show that."""
    known = [date for date in dates if date is not None]
    in_order = len(known) == len(dates) and all(older <= newer for newer, older in pairwise(known))
    return known[-1] if known and in_order else None
