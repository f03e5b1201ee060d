"""First step of a run: find the sources, and say what each of them is."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
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
                    found[reject.channel_id].rejected += 1
        return found

    @property
    def rejected_rows(self) -> int:
        """Rows and entries of all sources that could not be used."""
        return sum(len(source.rejects) for source in self.sources)


@dataclass(slots=True)
class FoundChannel:
    """One channel with the sources that tell of it, and how much of theirs could not be used."""

    record: ChannelRecord
    refs: list[SourceRef] = field(default_factory=list)
    rejected: int = 0


async def find_sources(locations: Sequence[str], console: Console, sources_dir: Path) -> SourceList:
    """Look into every one of *locations* and tell on *console* what is there, a line for each."""
    from jobs.sources import Shelf, Skipped, SourceError, discover

    sources: dict[SourceRef, Source] = {}
    refused: list[SourceError] = []
    for location in dict.fromkeys(locations):
        findings = await discover(location, Shelf(sources_dir))
        for finding in findings:
            if isinstance(finding, SourceError):
                refused.append(finding)
            elif not isinstance(finding, Skipped):
                sources[finding.ref] = finding
        _tell(findings, location, console)
    return SourceList(
        sorted(sources.values(), key=lambda source: source.observed_at or _NEVER), refused
    )


def shorter(location: str) -> str:
    """Give a path as one would type it here; anything else stays as it is."""
    path = Path(location)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        return str(path.relative_to(Path.cwd()))
    return location


def _tell(findings: Sequence[Finding], location: str, console: Console) -> None:
    """On a terminal names in a folder are told without it, and long lines are indented."""
    from jobs.sources import Skipped, SourceError

    folder = Path(location).absolute()
    in_folder = console.is_terminal and folder.is_dir()
    if in_folder:
        console.print(Text(f"{shorter(str(folder))}/", style="bold"))

    def named(place: str) -> str:
        return os.path.relpath(place, folder) if in_folder else shorter(place)

    for finding in findings:
        if isinstance(finding, SourceError):
            _line(console, "", "", Text.assemble(("pipeline: ", "red"), str(finding)))
        elif isinstance(finding, Skipped):
            _line(console, "–", "dim", Text(f"{named(finding.location)}: {finding.reason}", "dim"))
        else:
            name = named(finding.ref.location).rstrip(":")
            text = Text.assemble((name, "" if in_folder else "bold"), f": {finding.describe()}")
            _line(console, "✓", "green", text)
            for told in _told_rejects(finding.rejects):
                _line(console, " ", "", Text(told, "yellow"))


def _line(console: Console, mark: str, style: str, text: Text) -> None:
    if not mark or not console.is_terminal:
        console.print(Text.assemble((mark, style), " " if mark else "", text), soft_wrap=True)
        return
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_row(Text(mark, style), text)
    console.print(grid)


def _told_rejects(rejects: Sequence[Reject]) -> Iterator[str]:
    for reject in rejects[:_REJECTS_SHOWN]:
        line = "" if reject.line is None else f"line {reject.line} "
        yield f"{line}rejected: {reject.reason}"
    if len(rejects) > _REJECTS_SHOWN:
        yield f"and {len(rejects) - _REJECTS_SHOWN:,} more rejected"


_REJECTS_SHOWN = 3
