"""
A mapping file: TOML that says what the columns of a CSV hold. docs/sources.md has every key.

Known layouts and users' own mappings are written in the same form.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from jobs.channel.records import Platform
from jobs.sources.csv import layout
from jobs.sources.csv.layout import Companion, Layout, RowRule
from jobs.sources.document import HeaderReading
from jobs.sources.source import SourceError
from jobs.sources.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.sources.document import Text

_FIELDS = get_args(layout.Field)
_ITEMS = frozenset({"item_id", "title", "published_at"})

_Column = Annotated[str, AfterValidator(plain)]


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("is not a time zone") from None
    return name


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Dates(_Table):
    observed_at: str = "iso"
    published_at: str = "iso"
    time_zone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    year: int | None = None
    begins: bool = False


class _Numbers(_Table):
    thousands: str = ""
    missing: list[str] = []
    zero_is_unknown: list[layout.Field] = []


class _Channel(_Table):
    title: str


class _Beside(_Table):
    key: tuple[_Column, _Column]
    needs: list[_Column] = []
    gives: dict[_Column, _Column] = {}
    columns: dict[layout.Field, _Column] = {}
    required: bool = False


class _Rows(_Table):
    platform: Platform = Platform.OTHER
    id_prefix: str = ""
    columns: dict[str, _Column] = Field(min_length=1)
    id_fallback: _Column = ""


class _Common(_Table):
    name: str = "mapped list"
    successes_only: bool = False
    needs: list[_Column] = []
    needs_one_of: list[_Column] = []
    header_row: int | None = Field(default=None, ge=1)
    skip: dict[_Column, list[_Column]] = {}
    one_row: _Column = ""
    id_from_title: bool = True
    item_ids: Literal["any", "youtube"] = "any"
    joined: dict[_Column, tuple[_Column, _Column]] = {}
    hidden: dict[layout.Field, _Column] = {}
    views_by_age: dict[_Column, int] = {}
    dates: _Dates = _Dates()
    numbers: _Numbers = _Numbers()
    channel: _Channel | None = None
    beside: list[_Beside] = []


class _OneRule(_Rows, _Common):
    @property
    def rows(self) -> list[_Rows]:
        return [self]


class _SeveralRules(_Common):
    rows: list[_Rows] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping file that was read."""

    location: str
    layout: Layout
    header_row: int | None = None

    def seen(self, text: Text) -> Text:
        """Return *text* with the header that this says it has."""
        return text if self.header_row is None else text.read_as(HeaderReading(self.header_row))

    def fits(self, text: Text) -> bool:
        """Whether *text* has the columns that this needs."""
        return not self._lacking(self.seen(text))

    def check(self, text: Text) -> None:
        """
        Make sure that *text* is what this describes.

        Raises:
            SourceError: It lacks a column, or is not a CSV.
        """
        if lacking := self._lacking(text):
            reason = f"has no column {', '.join(lacking)}, which {Path(self.location).name} names"
            columns = ", ".join(text.header.names) or "none"
            raise SourceError(text.location, reason, f"Its columns are {columns}")
        if not self.layout.used(text.header.names):
            reason = f"has none of the counters that {Path(self.location).name} names"
            columns = ", ".join(text.header.names)
            raise SourceError(text.location, reason, f"Its columns are {columns}")

    def _lacking(self, text: Text) -> list[str]:
        return sorted(set(self.layout.needs) - set(text.header.names))


def read_mapping(location: str) -> Mapping:
    """
    Read the mapping file at the path *location*.

    Raises:
        SourceError: It cannot be read, is not TOML, or has a key or value that no mapping has.
    """
    try:
        table = tomllib.loads(Path(location).read_text("utf-8"))
        document = (_SeveralRules if "rows" in table else _OneRule).model_validate(table)
    except OSError as error:
        raise SourceError(location, f"cannot be read ({error.strerror or error})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SourceError(location, f"is not TOML ({error})") from error
    except ValidationError as error:
        raise SourceError(location, _first(error)) from error
    for rows in document.rows:
        _check_columns(location, rows, document)
    return Mapping(location, _layout(document), document.header_row)


def _check_columns(location: str, rows: _Rows, document: _OneRule | _SeveralRules) -> None:
    gained = [name for name in rows.columns if name in layout.GAINS]
    if gained and "observed_at" not in rows.columns:
        reason = f"maps {gained[0]} and no observed_at, the day on which it came in"
        raise SourceError(location, reason)
    unknown = [name for name in rows.columns if name not in _FIELDS]
    if unknown:
        reason = f"has under [columns] the unknown field {unknown[0]}"
        raise SourceError(location, reason, f"There are {', '.join(_FIELDS)}")
    if not document.views_by_age and not _has_facts(rows):
        reason = f"maps no counter under [columns]: {', '.join(layout.COUNTERS)}"
        remedy = "Map one, or an item with its published_at"
        raise SourceError(location, reason, remedy)
    if not {"channel_id", "channel_title"} & set(rows.columns) and document.channel is None:
        reason = "names no channel for its rows"
        raise SourceError(location, reason, "Map channel_id or channel_title, or give [channel]")


def _has_facts(rows: _Rows) -> bool:
    """A list of items with dates says how often a channel publishes, without any counter."""
    names = {*rows.columns}
    facts = {*layout.COUNTERS, *layout.GAINS, *layout.FIGURES}
    return bool(names & facts) or {"published_at"} < names & _ITEMS


def _layout(document: _OneRule | _SeveralRules) -> Layout:
    return Layout(
        name=document.name,
        needs=tuple(document.needs or _needed(document)),
        needs_one_of=tuple(document.needs_one_of),
        rules=tuple(rule for rows in document.rows for rule in _rules(rows, document)),
        dates={
            "observed_at": document.dates.observed_at,
            "published_at": document.dates.published_at,
        },
        time_zone=document.dates.time_zone,
        year=document.dates.year,
        joined=document.joined,
        title=document.channel.title if document.channel else None,
        companions=tuple(_companion(each, document.rows[0].platform) for each in document.beside),
        thousands=document.numbers.thousands,
        missing=tuple(document.numbers.missing),
        successes_only=document.successes_only,
        skip={column: tuple(cells) for column, cells in document.skip.items()},
        one_row=document.one_row,
        begins=document.dates.begins,
    )


def _needed(document: _OneRule | _SeveralRules) -> Iterator[str]:
    """Every column that the document names, but for those that it makes."""
    made = {*document.joined, *(name for each in document.beside for name in each.gives.values())}
    for rows in document.rows:
        yield from (column for column in rows.columns.values() if column not in made)
        yield from filter(None, [rows.id_fallback])
    yield from (column for pair in document.joined.values() for column in pair)
    yield from (each.key[0] for each in document.beside)
    yield from document.views_by_age


def _rules(rows: _Rows, document: _OneRule | _SeveralRules) -> Iterator[RowRule]:
    columns: dict[Any, str] = rows.columns
    rule = RowRule(
        columns=columns,
        platform=rows.platform,
        id_prefix=rows.id_prefix,
        id_fallback=rows.id_fallback,
        id_from_title=document.id_from_title,
        item_ids=document.item_ids,
        hidden=document.hidden,
        zero_is_unknown=tuple(document.numbers.zero_is_unknown),
    )
    if not document.views_by_age:
        yield rule
    for column, days in document.views_by_age.items():
        yield replace(rule, columns={**columns, "views": column}, age=timedelta(days=days))


def _companion(beside: _Beside, platform: Platform) -> Companion:
    own = RowRule(columns=beside.columns, platform=platform)
    needs = beside.needs or sorted({beside.key[1], *beside.gives, *own.columns.values()})
    return Companion(
        needs=tuple(needs),
        key=beside.key,
        gives=beside.gives,
        layout=Layout(name="list beside it", needs=(), rules=(own,)) if own.columns else None,
        required=beside.required,
    )


def _first(error: ValidationError) -> str:
    found = error.errors()[0]
    place = ".".join(str(part) for part in found["loc"]) or "it"
    return f"{place}: {found['msg'].removeprefix('Value error, ')}"
