"""
A mapping file: TOML that says which column of somebody's CSV tells what.

    name = "my tracker"                # shown where the source is described
    platform = "youtube"               # or podcast, stream, other
    successes_only = true              # if items are listed only while they do well

    [columns]                          # ours = theirs; whatever is not told may be left out
    channel_id = "Channel ID"          # or channel_title alone: then the id is made of the title
    observed_at = "Day"
    views = "Total views"

    [dates]
    observed_at = "%d.%m.%Y"           # where it is not ISO 8601; also "YY.DD.MM", "DD.MM"
    time_zone = "Europe/Berlin"        # of times that tell none; else UTC
    year = 2017                        # of dates that lack it

    [numbers]
    thousands = "."                    # what parts the digits
    missing = ["n/a", "-"]             # what stands for no number

    [channel]                          # where no column says it
    title = "My channel"

Fields of a channel: channel_id, channel_title, observed_at, subscribers, views, items. Of its
items, once item_id or title is among the columns: those, published_at, duration, category, tags,
live, views, likes, comments.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from jobs.channel.records import Platform
from jobs.sources.csv import layout
from jobs.sources.csv.layout import Layout, RowRule
from jobs.sources.source import SourceError

if TYPE_CHECKING:
    from collections.abc import Collection

_FIELDS = tuple(name for name in get_args(layout.Field) if name != "day")


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("is no time zone") from None
    return name


class _Dates(BaseModel):
    model_config = ConfigDict(extra="forbid")

    observed_at: str = "iso"
    published_at: str = "iso"
    time_zone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    year: int | None = None


class _Numbers(BaseModel):
    model_config = ConfigDict(extra="forbid")

    thousands: str = ""
    missing: list[str] = []


class _Channel(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: str


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = "mapped list"
    platform: Platform = Platform.OTHER
    successes_only: bool = False
    columns: dict[str, str] = Field(min_length=1)
    dates: _Dates = _Dates()
    numbers: _Numbers = _Numbers()
    channel: _Channel | None = None


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping file that was read."""

    location: str
    layout: Layout

    def check(self, location: str, header: Collection[str]) -> None:
        """
        Make sure that the file at *location*, with these columns, is what this describes.

        Raises:
            SourceError: It lacks a column, or is no CSV.
        """
        lacking = sorted(set(self.layout.needs) - set(header))
        if lacking:
            reason = f"has no column {', '.join(lacking)}, which {Path(self.location).name} names"
            raise SourceError(location, reason, f"Its columns are {', '.join(header) or 'none'}")


def read_mapping(location: str) -> Mapping:
    """
    Read the mapping file at the path *location*.

    Raises:
        SourceError: It cannot be read, is no TOML, or says something that no mapping says.
    """
    try:
        document = _Document.model_validate(tomllib.loads(Path(location).read_text("utf-8")))
    except OSError as error:
        raise SourceError(location, f"cannot be read ({error.strerror or error})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SourceError(location, f"is no TOML ({error})") from error
    except ValidationError as error:
        raise SourceError(location, _first(error)) from error
    return Mapping(location, _layout(location, document))


def _layout(location: str, document: _Document) -> Layout:
    columns: dict[Any, str] = {name: each.lower() for name, each in document.columns.items()}
    unknown = [name for name in columns if name not in _FIELDS]
    if unknown:
        reason = f"has under [columns] the unknown field {unknown[0]}"
        raise SourceError(location, reason, f"There are {', '.join(_FIELDS)}")
    rule = RowRule(platform=document.platform, columns=columns, titled_only=True)
    if not any(name in columns for name in layout.COUNTERS):
        reason = f"maps no counter under [columns]: {', '.join(layout.COUNTERS)}"
        raise SourceError(location, reason)
    if not {"channel_id", "channel_title"} & set(columns) and document.channel is None:
        reason = "says nowhere whose the rows are"
        raise SourceError(location, reason, "Map channel_id or channel_title, or give [channel]")
    return Layout(
        name=document.name,
        needs=tuple(columns.values()),
        rules=(rule,),
        dates={
            "observed_at": document.dates.observed_at,
            "published_at": document.dates.published_at,
        },
        time_zone=document.dates.time_zone,
        year=document.dates.year,
        thousands=document.numbers.thousands,
        untold=tuple(document.numbers.missing),
        title=document.channel.title if document.channel else None,
        successes_only=document.successes_only,
    )


def _first(error: ValidationError) -> str:
    found = error.errors()[0]
    place = ".".join(str(part) for part in found["loc"]) or "it"
    return f"{place}: {found['msg'].removeprefix('Value error, ')}"
