"""All that is known about one channel, on one screen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from jobs.channel.words import spoken
from jobs.commands.channels.choice import choose_channel
from jobs.scheduling import how_often
from jobs.sources.source import shown
from runner.commands.output import Shown
from runner.commands.tables import Facts, Lines
from runner.wording import NOTHING, ago, due, number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jobs.channel.records import ChannelRecord
    from jobs.commands.host import Host
    from jobs.services import Services
    from jobs.store import (
        ChannelCounts,
        ChannelSchedule,
        StoredAnalysis,
        StoredRecommendation,
        StoredSource,
    )


@dataclass(frozen=True, slots=True)
class Details:
    """What the store has of one channel."""

    channel: ChannelRecord
    counts: ChannelCounts
    sources: Sequence[StoredSource]
    schedule: ChannelSchedule | None
    analysis: StoredAnalysis | None
    recommendations: Sequence[StoredRecommendation]
    report: str | None

    @property
    def document(self) -> dict[str, Any]:
        """Return all of it, the whole analysis included."""
        schedule, analysis = self.schedule, self.analysis
        return {
            **asdict(self.channel),
            "counts": asdict(self.counts),
            "sources": [
                {
                    "kind": one.ref.kind,
                    "location": shown(one.ref.location),
                    "synced_at": one.succeeded_at,
                    "tried_at": one.tried_at,
                    "outcome": one.outcome,
                    "reason": one.reason,
                    "consecutive_failures": one.consecutive_failures,
                }
                for one in self.sources
            ],
            "every_s": None if schedule is None else schedule.every_s,
            "next_sync_at": None if schedule is None else schedule.due_at,
            "analysed_at": None if analysis is None else analysis.analysed_at,
            "analysis": None if analysis is None else analysis.document,
            "recommendations": [asdict(one) for one in self.recommendations],
            "report": self.report,
        }


async def show_channel(host: Host, words: str) -> Shown:
    """Find what is known about the channel that *words* name."""
    async with host.open_services() as services:
        channel = choose_channel(await services.store.channels.all(), words)
        details = await _details(services, channel)
    return Shown(details.document, list(_parts(details)))


async def _details(services: Services, channel: ChannelRecord) -> Details:
    store = services.store
    analysis = await store.analyses.latest(channel.id)
    return Details(
        channel=channel,
        counts=(await store.channels.counts([channel.id]))[channel.id],
        sources=await store.syncs.sources(channel.id),
        schedule=await store.schedules.find(channel.id),
        analysis=analysis,
        recommendations=[]
        if analysis is None
        else await store.analyses.recommendations(analysis.id),
        report=await store.renderings.report_path(channel.id),
    )


def _parts(details: Details) -> Iterator[Facts | Lines]:
    yield Lines([details.channel.title], bold=True)
    yield Facts(_facts(details))
    for title, lines in _paragraphs(details):
        yield Lines(["", title], bold=True)
        yield from lines


def _facts(details: Details) -> dict[str, str]:
    channel, counts, schedule = details.channel, details.counts, details.schedule
    generated = ", generated" if channel.generated else ""
    every = how_often(schedule.every_s) if schedule and schedule.every_s else "adapting"
    successes = ", only those that did well" if channel.successes_only else ""
    return {
        "Id": channel.id,
        "Platform": f"{channel.platform}{generated}",
        "Address": channel.url or NOTHING,
        **({"Time zone": channel.time_zone} if channel.time_zone else {}),
        spoken("Items", channel.platform): f"{number(counts.items)}{successes}",
        "Snapshots": f"{counts.channel_snapshots:,} of the channel, "
        f"{counts.item_snapshots:,} of {spoken('items', channel.platform)}",
        "Next sync": f"{due(schedule.due_at)}, {every}" if schedule else "on request",
        "Analysed": ago(details.analysis.analysed_at) if details.analysis else NOTHING,
        "Report": details.report or NOTHING,
    }


def _paragraphs(details: Details) -> Iterator[tuple[str, Sequence[Facts | Lines]]]:
    if details.sources:
        yield "Sources", [_source(one) for one in details.sources]
    if details.analysis is not None:
        yield from _findings(details.analysis)
    if details.recommendations:
        advice = [f"{one.title} ({one.strength})" for one in details.recommendations]
        yield "What to do", [Lines(advice, indent=_INDENT)]


def _source(one: StoredSource) -> Lines:
    place = shown(one.ref.location)
    if one.consecutive_failures:
        line = f"{place}  failed {one.consecutive_failures}×: {one.reason}"
        return Lines([line], color="red", indent=_INDENT)
    read = "not read yet" if one.succeeded_at is None else f"read {ago(one.succeeded_at)}"
    return Lines([f"{place}  {read}"], indent=_INDENT)


def _findings(analysis: StoredAnalysis) -> Iterator[tuple[str, Sequence[Facts | Lines]]]:
    """Return the findings in the words of the report; an older version's analysis has none."""
    from pydantic import ValidationError

    from jobs.analysis import ChannelAnalysis
    from jobs.charts.key_figures import key_figures
    from jobs.charts.story import covered
    from jobs.charts.what_changed import what_changed

    try:
        read = ChannelAnalysis.model_validate(analysis.document)
    except ValidationError:
        renew = "of an older version: sync the channel to renew it"
        yield "Analysis", [Lines([renew], indent=_INDENT)]
        return

    def said(words: str) -> str:
        return spoken(words, read.platform)

    figures = [
        f"{one.value} {said(one.label)}  {said(one.note)}".rstrip() for one in key_figures(read)
    ]
    yield "Analysis", [Lines([said(covered(read)), *figures], indent=_INDENT)]
    if changed := what_changed(read):
        yield "What changed", [Lines(list(map(said, changed)), indent=_INDENT)]


_INDENT = 2
