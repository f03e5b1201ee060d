"""All that is known about one channel, on one screen."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from jobs.commands.channels.choice import choose_channel
from jobs.commands.console import table_console
from jobs.scheduling import write_interval
from jobs.sources.source import shown
from runner.commands.printing import echo_json
from runner.wording import NOTHING, ago, due, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

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

    def as_json(self) -> str:
        """Return it as one JSON object, the whole analysis included."""
        schedule, analysis = self.schedule, self.analysis
        document: dict[str, Any] = {
            **asdict(self.channel),
            "counts": asdict(self.counts),
            "sources": [
                {
                    "kind": one.ref.kind,
                    "location": shown(one.ref.location),
                    "synced_at": None if one.succeeded_at is None else one.succeeded_at.isoformat(),
                    "tried_at": None if one.tried_at is None else one.tried_at.isoformat(),
                    "outcome": one.outcome,
                    "reason": one.reason,
                    "consecutive_failures": one.consecutive_failures,
                }
                for one in self.sources
            ],
            "every_s": None if schedule is None else schedule.every_s,
            "next_sync_at": None if schedule is None else schedule.due_at.isoformat(),
            "analysed_at": None if analysis is None else analysis.analysed_at.isoformat(),
            "analysis": None if analysis is None else analysis.document,
            "recommendations": [asdict(one) for one in self.recommendations],
            "report": self.report,
        }
        return json.dumps(document, ensure_ascii=False, indent=2)


async def show_channel(host: Host, words: str, *, as_json: bool) -> None:
    """Print what is known about the channel that *words* name."""
    async with host.open_services() as services:
        channel = choose_channel(await services.store.channels.all(), words)
        details = await _details(services, channel)
    if as_json:
        echo_json(details.as_json())
    else:
        _show(table_console(), details)


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


def _show(console: Console, details: Details) -> None:
    channel = details.channel
    console.print(Text(channel.title, style="bold"))
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, value in _facts(details):
        grid.add_row(label, value)
    console.print(grid)
    for title, lines in _paragraphs(details):
        console.print()
        console.print(Text(title, style="bold"))
        for line in lines:
            console.print(Padding(line, (0, 0, 0, 2), expand=False))


def _facts(details: Details) -> list[tuple[str, str]]:
    channel, counts, schedule = details.channel, details.counts, details.schedule
    generated = ", generated" if channel.generated else ""
    every = (
        f"every {write_interval(schedule.every_s)}" if schedule and schedule.every_s else "adapting"
    )
    return [
        ("Id", channel.id),
        ("Platform", f"{channel.platform}{generated}"),
        ("Address", channel.url or NOTHING),
        (
            "Items",
            number(counts.items) + (", only those that did well" if channel.successes_only else ""),
        ),
        (
            "Snapshots",
            f"{counts.channel_snapshots:,} of the channel, {counts.item_snapshots:,} of items",
        ),
        ("Next sync", f"{due(schedule.due_at)}, {every}" if schedule else "on request"),
        ("Analysed", ago(details.analysis.analysed_at) if details.analysis else NOTHING),
        ("Report", details.report or NOTHING),
    ]


def _paragraphs(details: Details) -> list[tuple[str, list[Text]]]:
    found = [("Sources", [_source(one) for one in details.sources])]
    if details.analysis is not None:
        found += _findings(details.analysis)
    if details.recommendations:
        advice = [Text(f"{one.title} ({one.strength})") for one in details.recommendations]
        found.append(("What to do", advice))
    return [(title, lines) for title, lines in found if lines]


def _source(one: StoredSource) -> Text:
    if one.consecutive_failures:
        state = Text(f"failed {one.consecutive_failures}×: {one.reason}", style="red")
    else:
        read = "not read yet" if one.succeeded_at is None else f"read {ago(one.succeeded_at)}"
        state = Text(read, style="dim")
    return Text.assemble(shown(one.ref.location), "  ", state)


def _findings(analysis: StoredAnalysis) -> list[tuple[str, list[Text]]]:
    """Return the findings in the words of the report; an older version's analysis has none."""
    from pydantic import ValidationError

    from jobs.analysis import ChannelAnalysis
    from jobs.analysis.spoken import spoken
    from jobs.charts.key_figures import key_figures
    from jobs.charts.story import covered
    from jobs.charts.what_changed import what_changed

    try:
        read = ChannelAnalysis.model_validate(analysis.document)
    except ValidationError:
        return [("Analysis", [Text("of an older version: sync the channel to renew it")])]

    def said(words: str) -> str:
        return spoken(words, read.platform)

    figures = [
        Text.assemble((one.value, "bold"), f" {said(one.label)}", (f"  {said(one.note)}", "dim"))
        for one in key_figures(read)
    ]
    return [
        ("Analysis", [Text(said(covered(read))), *figures]),
        ("What changed", [Text(said(line)) for line in what_changed(read)]),
    ]
