"""First step of a run: find the sources, and say what each of them is."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from jobs.records import ChannelRecord, Reject, SourceRef
    from jobs.sources import Finding, Source, SourceError

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SourceList:
    """What was found, the sources by age: of several recordings of a channel the last one rules."""

    sources: Sequence[Source]
    refused: Sequence[SourceError]

    def channels(self) -> dict[str, FoundChannel]:
        """Every channel of all sources, by id, in the order in which they were told first."""
        found: dict[str, FoundChannel] = {}
        for source in self.sources:
            for record in source.channels():
                channel = found.setdefault(record.id, FoundChannel(record))
                channel.record = record
                channel.refs.append(source.ref)
            for reject in source.rejects:
                if reject.channel_id in found:
                    found[reject.channel_id].rejects.append(reject)
        return found

    @property
    def rejected_rows(self) -> int:
        """Rows and entries of all sources that could not be used."""
        return sum(len(source.rejects) for source in self.sources)


@dataclass(slots=True)
class FoundChannel:
    """One channel with the sources that tell of it, and what of theirs could not be used."""

    record: ChannelRecord
    refs: list[SourceRef] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


async def find_sources(locations: Sequence[str], console: Console) -> SourceList:
    """Look into every one of *locations* and tell on *console* what is there, a line for each."""
    from jobs.sources import Skipped, SourceError, discover

    sources: dict[SourceRef, Source] = {}
    refused: list[SourceError] = []
    for location in dict.fromkeys(locations):
        for finding in await discover(location):
            if isinstance(finding, SourceError):
                refused.append(finding)
            elif not isinstance(finding, Skipped):
                sources[finding.ref] = finding
            for line in _told(finding):
                console.print(line, soft_wrap=not console.is_terminal)
    return SourceList(
        sorted(sources.values(), key=lambda source: source.observed_at or _NEVER), refused
    )


def shorter(location: str) -> str:
    """Give a path as one would type it here; anything else stays as it is."""
    path = Path(location)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        return str(path.relative_to(Path.cwd()))
    return location


def _told(finding: Finding) -> Iterator[Text]:
    from jobs.sources import Skipped, SourceError

    if isinstance(finding, SourceError):
        yield Text.assemble(("pipeline:", "red"), f" {finding}")
    elif isinstance(finding, Skipped):
        yield Text(f"– {shorter(finding.location)}: {finding.reason}", style="dim")
    else:
        where = shorter(finding.ref.location)
        yield Text.assemble(("✓ ", "green"), (where.rstrip(":"), "bold"), f": {finding.describe()}")
        for reject in finding.rejects[:_REJECTS_SHOWN]:
            line = "" if reject.line is None else f"line {reject.line} "
            yield Text(f"  {line}rejected: {reject.reason}", style="yellow")
        if len(finding.rejects) > _REJECTS_SHOWN:
            yield Text(f"  and {len(finding.rejects) - _REJECTS_SHOWN:,} more", style="yellow")


_REJECTS_SHOWN = 3
