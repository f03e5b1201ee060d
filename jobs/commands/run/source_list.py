"""First step of a run: find the sources, and show what each of them is."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from jobs.channel.addresses import without_secrets
from jobs.commands.run.reject_files import write_rejects
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console

    from jobs.channel.records import ChannelRecord, Reject, SourceRef
    from jobs.services import SourceAccess
    from jobs.sources import Finding, Source, SourceError

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Reading:
    """
    How sources are read.

    rejects_dir: where rejected rows are written. mapping: a mapping file for CSVs. strict: a
    source with a rejected row is refused as a whole. name: what a person calls their channel.
    """

    rejects_dir: Path
    mapping: str | None = None
    strict: bool = False
    name: str | None = None


@dataclass(frozen=True, slots=True)
class RejectedRows:
    """How many rows of a source could not be used, and the file with line and reason of each."""

    source: str
    rows: int
    file: str


@dataclass(frozen=True, slots=True)
class SourceList:
    """What was found. Sources are ordered by age: the newest reading of a channel wins."""

    sources: Sequence[Source]
    refused: Sequence[SourceError]
    rejects: Sequence[RejectedRows] = ()

    def channels(self) -> dict[str, FoundChannel]:
        """Every channel of all sources by id, in the order of their first appearance."""
        found: dict[str, FoundChannel] = {}
        for source in self.sources:
            for record in source.channels():
                channel = found.setdefault(record.id, FoundChannel(record))
                channel.record = record
                channel.refs.append(source.ref)
                channel.has_days = channel.has_days or _has_days(source)
            for reject in source.rejects:
                if reject.channel_id in found:
                    found[reject.channel_id].rejected += 1
        return found

    @property
    def rejected_rows(self) -> int:
        """Rows and entries of all sources that could not be used."""
        return sum(each.rows for each in self.rejects)


@dataclass(slots=True)
class FoundChannel:
    """
    One channel, its sources, and how many of their rows could not be used.

    has_days: whether some of them are files with the channel's own counters, day by day.
    """

    record: ChannelRecord
    refs: list[SourceRef] = field(default_factory=list)
    rejected: int = 0
    has_days: bool = False


async def find_sources(
    access: SourceAccess, locations: Sequence[str], console: Console, reading: Reading
) -> SourceList:
    """
    Look into each of *locations*, and print to *console* what is there, a line for each.

    Durable afterwards: for each source with rejected rows, a file with line and reason of each.

    Raises:
        OSError: A file of rejected rows cannot be written.
        SourceError: The mapping file cannot be used.
    """
    from jobs.sources import Skipped, SourceError
    from jobs.sources.csv.mapping import read_mapping

    if reading.mapping is not None:
        read_mapping(reading.mapping)
    sources: dict[SourceRef, Source] = {}
    refused: list[SourceError] = []
    rejects: dict[SourceRef, RejectedRows] = {}
    for location in dict.fromkeys(locations):
        findings = await access.discover(location, reading.mapping)
        for at, finding in enumerate(findings):
            if isinstance(finding, Skipped | SourceError):
                continue
            path = await asyncio.to_thread(write_rejects, finding, reading.rejects_dir)
            if path is not None:
                rejected = RejectedRows(
                    without_secrets(finding.ref.location), len(finding.rejects), str(path)
                )
                rejects[finding.ref] = rejected
                if reading.strict:
                    findings[at] = _refused(rejected)
                    continue
            sources[finding.ref] = finding
        refused += [finding for finding in findings if isinstance(finding, SourceError)]
        _show(findings, location, console, rejects)
    return SourceList(
        sorted(sources.values(), key=lambda source: source.observed_at or _NEVER),
        refused,
        list(rejects.values()),
    )


def _has_days(source: Source) -> bool:
    from jobs.sources.csv.csv_source import CsvSource
    from jobs.sources.source import is_address

    of_channels = isinstance(source, CsvSource) and not source.layout.has_items()
    return of_channels and not is_address(source.ref.location)


def _refused(rejected: RejectedRows) -> SourceError:
    from jobs.sources import SourceError

    rows = counted(rejected.rows, "row")
    remedy = f"Correct them, or run without it; {shorter(rejected.file)} has line and reason"
    return SourceError(rejected.source, f"has {rows} that --strict refuses", remedy)


def shorter(location: str) -> str:
    """Return a path as one would type it here; anything else stays as it is."""
    path = Path(location)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        return str(path.relative_to(Path.cwd()))
    return location


def _show(
    findings: Sequence[Finding],
    location: str,
    console: Console,
    rejects: Mapping[SourceRef, RejectedRows],
) -> None:
    """On a terminal, files in a folder are shown without it, and long lines are indented."""
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
            name = named(without_secrets(finding.ref.location)).rstrip(":")
            text = Text.assemble((name, "" if in_folder else "bold"), f": {finding.describe()}")
            _line(console, "✓", "green", text)
            for line in _first_rejects(finding.rejects):
                _line(console, " ", "", Text(line, "yellow"))
            if finding.ref in rejects:
                path = shorter(rejects[finding.ref].file)
                _line(console, " ", "", Text(f"all rejected rows: {path}", "yellow"))


def _line(console: Console, mark: str, style: str, text: Text) -> None:
    if not mark or not console.is_terminal:
        console.print(Text.assemble((mark, style), " " if mark else "", text), soft_wrap=True)
        return
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_row(Text(mark, style), text)
    console.print(grid)


def _first_rejects(rejects: Sequence[Reject]) -> Iterator[str]:
    for reject in rejects[:_REJECTS_SHOWN]:
        line = "" if reject.line is None else f"line {reject.line} "
        yield f"{line}rejected: {reject.reason}"
    if len(rejects) > _REJECTS_SHOWN:
        yield f"and {len(rejects) - _REJECTS_SHOWN:,} more rejected"


_REJECTS_SHOWN = 3
