"""The result of a run, counted in the store: shown as a table or as one JSON object."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from jobs.commands.run.report_index import write_report_index
from jobs.commands.run.source_list import shorter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from jobs.commands.run.source_list import FoundChannel, RejectedRows, SourceList
    from jobs.commands.run.work import ChannelRun, DeadJob
    from jobs.services import Services
    from jobs.store import ChannelCounts
    from runner import BatchProgress

_REPORTS_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Counts:
    """What the store has, and how the jobs of this run went."""

    items: int = 0
    snapshots: int = 0
    channel_snapshots: int = 0
    item_snapshots: int = 0
    gains: int = 0
    analyses: int = 0
    charts: int = 0
    recommendations: int = 0
    notifications: int = 0
    retries: int = 0
    dead: int = 0
    rejected_rows: int = 0

    @classmethod
    def of(cls, stored: ChannelCounts, jobs: BatchProgress, rejected_rows: int) -> Counts:
        """One channel's."""
        return cls(
            **_numbers(stored),
            snapshots=stored.channel_snapshots + stored.item_snapshots,
            retries=jobs.retries,
            dead=jobs.dead,
            rejected_rows=rejected_rows,
        )

    @classmethod
    def total(cls, parts: Sequence[Counts], rejected_rows: int) -> Counts:
        """All channels'; rejected rows include those of no channel."""
        sums = {f.name: sum(getattr(part, f.name) for part in parts) for f in fields(cls)}
        return cls(**sums | {"rejected_rows": rejected_rows})


@dataclass(frozen=True, slots=True)
class ChannelSummary:
    """One channel of the run. report: the path of its HTML report, None without one."""

    id: str
    title: str
    generated: bool
    counts: Counts
    report: str | None


@dataclass(frozen=True, slots=True)
class Summary:
    """A whole run."""

    channels: Sequence[ChannelSummary]
    counts: Counts
    seconds: float
    dead_jobs: Sequence[DeadJob]
    errors: Sequence[Mapping[str, str]]
    index: Path | None = None
    rejects: Sequence[RejectedRows] = ()

    @staticmethod
    def has_report(channel: ChannelSummary) -> bool:
        """Whether the channel's report is there, as a file."""
        return channel.report is not None and Path(channel.report).is_file()

    @classmethod
    def of_nothing(cls, sources: SourceList) -> Summary:
        """The summary of a run without a channel."""
        counts = Counts(rejected_rows=sources.rejected_rows)
        return cls((), counts, 0.0, (), _errors(sources), rejects=sources.rejects)

    @property
    def document(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        return {
            "channels": len(self.channels),
            **_numbers(self.counts),
            "seconds": round(self.seconds, 3),
            "per_channel": [
                {
                    "id": channel.id,
                    "title": channel.title,
                    "generated": channel.generated,
                    **_numbers(channel.counts),
                    "report": channel.report,
                }
                for channel in self.channels
            ],
            "index": None if self.index is None else str(self.index),
            "dead_jobs": [asdict(job) for job in self.dead_jobs],
            "errors": list(self.errors),
            "rejects": [asdict(each) for each in self.rejects],
        }

    def show(self, console: Console) -> None:
        """Print it as a table, then the paths of the reports."""
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold")
        table.add_column(justify="right")
        table.add_column(style="dim")
        for label, value, note in self._rows():
            table.add_row(label, value, note)
        console.print()
        console.print(table)
        console.print()
        self._show_reports(console)

    def _rows(self) -> list[tuple[str, str | Text, str]]:
        counts = self.counts
        generated = sum(channel.generated for channel in self.channels)
        note = f"{generated} of them generated" if generated < len(self.channels) else "generated"
        snapshots = f"{counts.channel_snapshots:,} of channels, {counts.item_snapshots:,} of items"
        return [
            ("Channels", f"{len(self.channels):,}", note if generated else ""),
            ("Items", f"{counts.items:,}", ""),
            ("Snapshots", f"{counts.snapshots:,}", snapshots),
            *([("Daily gains", f"{counts.gains:,}", "")] if counts.gains else []),
            ("Analyses", f"{counts.analyses:,}", ""),
            ("Charts", f"{counts.charts:,}", ""),
            ("Recommendations", f"{counts.recommendations:,}", ""),
            ("Notifications", f"{counts.notifications:,}", ""),
            ("Retries", _warned(counts.retries, "yellow"), ""),
            ("Dead jobs", _warned(counts.dead, "red"), ""),
            ("Rejected rows", _warned(counts.rejected_rows, "yellow"), ""),
            ("Seconds", f"{self.seconds:.1f}", ""),
        ]

    def _show_reports(self, console: Console) -> None:
        reported = [channel for channel in self.channels if channel.report]
        if not reported:
            console.print("No report was made.")
            return
        many = len(reported) > _REPORTS_SHOWN
        for channel in reported[: _REPORTS_SHOWN // 2 if many else None]:
            clear = not channel.generated or "generated" in channel.title
            mark = "" if clear else "  (generated)"
            console.print(
                Text.assemble(("• ", "dim"), channel.title, (mark, "yellow")), soft_wrap=True
            )
            console.print(Text(f"  {shorter(channel.report or '')}", style="cyan"), soft_wrap=True)
        if many:
            console.print(Text(f"  and {len(reported) - _REPORTS_SHOWN // 2} more", style="dim"))
        if self.index is not None and len(reported) > 1:
            console.print(Text.assemble(("• ", "dim"), "All of them"), soft_wrap=True)
            console.print(Text(f"  {shorter(str(self.index))}", style="cyan"), soft_wrap=True)


async def summarize(
    services: Services,
    sources: SourceList,
    channels: Mapping[str, FoundChannel],
    work: ChannelRun,
    started: float,
) -> Summary:
    """Count what the store has of *channels* now. started: of the run, by the monotonic clock."""
    store = services.store
    stored = await store.channels.counts(list(channels))
    reports = await store.renderings.report_paths(list(channels))
    records = {record.id: record for record in await store.channels.all()}
    summaries = [
        ChannelSummary(
            id=channel_id,
            title=records[channel_id].title,
            generated=records[channel_id].generated,
            counts=Counts.of(stored[channel_id], work.by_channel[channel_id], found.rejected),
            report=reports.get(channel_id),
        )
        for channel_id, found in channels.items()
    ]
    return Summary(
        channels=summaries,
        counts=Counts.total([one.counts for one in summaries], sources.rejected_rows),
        seconds=time.monotonic() - started,
        dead_jobs=work.dead_jobs,
        errors=_errors(sources),
        rejects=sources.rejects,
        index=await write_report_index(services),
    )


def _errors(sources: SourceList) -> list[Mapping[str, str]]:
    return [
        {
            "source": error.location,
            "reason": ". ".join(part for part in (error.reason, error.remedy) if part),
        }
        for error in sources.refused
    ]


def _numbers(counts: Counts | ChannelCounts) -> dict[str, int]:
    """Faster than `asdict`, whose deep copies take a second for thousands of channels."""
    return {name: getattr(counts, name) for name in counts.__slots__}


def _warned(count: int, style: str) -> Text:
    return Text(f"{count:,}", style=style if count else "")
