"""The tables of an export, page by page: never a whole table in memory."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import polars as pl
from polars.io.plugins import register_io_source

from jobs.channel.data import FIGURES, ITEM_FIGURES, UTC_TIME
from jobs.spreadsheet import TO_QUOTE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from pathlib import Path

    from jobs.store import ChannelStore, StoredAnalysis
    from jobs.store.pages import Kept

_ITEMS: Final = pl.Schema(
    {
        "channel_id": pl.String(),
        "item_id": pl.String(),
        "title": pl.String(),
        "published_at": UTC_TIME,
        "duration_s": pl.Int64(),
        "url": pl.String(),
        "category": pl.String(),
        "tags": pl.String(),
        "live": pl.Boolean(),
        "first_listed_at": UTC_TIME,
        "left_at": UTC_TIME,
    }
)
_ITEM_SNAPSHOTS: Final = pl.Schema(
    {
        "channel_id": pl.String(),
        "item_id": pl.String(),
        "observed_at": UTC_TIME,
        "views": pl.Int64(),
        "likes": pl.Int64(),
        "comments": pl.Int64(),
    }
)
_CHANNEL_SNAPSHOTS: Final = pl.Schema(
    {
        "channel_id": pl.String(),
        "observed_at": UTC_TIME,
        "subscribers": pl.Int64(),
        "views": pl.Int64(),
        "items": pl.Int64(),
    }
)
_GAINS: Final = pl.Schema(
    {
        "channel_id": pl.String(),
        "day": pl.Date(),
        "views": pl.Int64(),
        "subscribers": pl.Int64(),
    }
)
_ITEM_GAINS: Final = pl.Schema(
    {"channel_id": pl.String(), "item_id": pl.String(), "day": pl.Date(), "views": pl.Int64()}
)
_FORECASTS: Final = pl.Schema(
    {
        "channel_id": pl.String(),
        "analysed_at": UTC_TIME,
        "counter": pl.String(),
        "day": pl.String(),
        "value": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "level": pl.Float64(),
        "method": pl.String(),
    }
)
_RECOMMENDATIONS: Final = pl.Schema(
    {
        "channel_id": pl.String(),
        "analysed_at": UTC_TIME,
        "key": pl.String(),
        "title": pl.String(),
        "advice": pl.String(),
        "strength": pl.String(),
        "evidence": pl.String(),
    }
)
_SCHEMAS: Final[dict[str, pl.Schema]] = {
    "items": _ITEMS,
    "item-snapshots": _ITEM_SNAPSHOTS,
    "channel-snapshots": _CHANNEL_SNAPSHOTS,
    "gains": _GAINS,
    "item-gains": _ITEM_GAINS,
    "figures": pl.Schema({"channel_id": pl.String(), **FIGURES}),
    "item-figures": pl.Schema({"channel_id": pl.String(), **ITEM_FIGURES}),
    "forecasts": _FORECASTS,
    "recommendations": _RECOMMENDATIONS,
}
_OF_ANALYSES: Final = frozenset({"forecasts", "recommendations"})

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """
    One table of the store: *what*, of the channels of *ids* or, with None, of all.

    loop: the event loop of the store; the table is written in another thread.
    """

    store: ChannelStore
    what: str
    ids: Sequence[str] | None
    loop: asyncio.AbstractEventLoop

    def write(self, path: Path, file_format: str, *, raw: bool = False) -> int:
        """
        Write it to *path* as `csv` or `parquet`, and return the number of rows. It blocks.

        raw: leave texts in a CSV as they are, also those that a spreadsheet would run.

        Raises:
            OSError: The file cannot be written.
        """
        rows = 0
        schema = _SCHEMAS[self.what]

        def frames(*_: object) -> Iterator[pl.DataFrame]:
            nonlocal rows
            pages = self._pages()
            while page := self._next(pages):
                rows += len(page)
                yield pl.DataFrame(page, schema, orient="row")

        source = register_io_source(frames, schema=schema)
        if file_format == "parquet":
            source.sink_parquet(path)
        else:
            if not raw:
                source = source.with_columns(pl.col(pl.String).str.replace(TO_QUOTE, "'${1}"))
            source.sink_csv(path, datetime_format="%Y-%m-%dT%H:%M:%S%.fZ")
        return rows

    def _next(self, pages: AsyncIterator[list[Row]]) -> list[Row] | None:
        async def page() -> list[Row] | None:
            return await anext(pages, None)

        return asyncio.run_coroutine_threadsafe(page(), self.loop).result()

    def _pages(self) -> AsyncIterator[list[Row]]:
        return self._of_analyses() if self.what in _OF_ANALYSES else self._of_rows()

    async def _of_rows(self) -> AsyncIterator[list[Row]]:
        kept = cast("Kept", self.what)
        for channel_id in self.ids if self.ids is not None else [None]:
            after: Sequence[Any] | None = None
            while page := await self.store.tables.page(
                kept, _SCHEMAS[self.what].names(), channel_id=channel_id, after=after
            ):
                yield page
                after = page[-1][: _KEYS[self.what]]

    async def _of_analyses(self) -> AsyncIterator[list[Row]]:
        async for channel_id in self._analysed():
            analysis = await self.store.analyses.latest(channel_id)
            if analysis is None:
                continue
            if self.what == "forecasts":
                page = list(_forecasts(analysis))
            else:
                page = await self._recommendations(analysis)
            if page:
                yield page

    async def _analysed(self) -> AsyncIterator[str]:
        if self.ids is not None:
            for channel_id in self.ids:
                yield channel_id
            return
        after = ""
        while found := await self.store.analyses.channel_ids(after):
            for channel_id in found:
                yield channel_id
            after = found[-1]

    async def _recommendations(self, analysis: StoredAnalysis) -> list[Row]:
        return [
            (
                analysis.channel_id,
                analysis.analysed_at,
                one.key,
                one.title,
                one.advice,
                one.strength,
                json.dumps(one.evidence, ensure_ascii=False),
            )
            for one in await self.store.analyses.recommendations(analysis.id)
        ]


_KEYS: Final[dict[str, int]] = {
    "items": 2,
    "item-snapshots": 3,
    "channel-snapshots": 2,
    "gains": 2,
    "item-gains": 3,
    "figures": 3,
    "item-figures": 4,
}
"""The number of columns in the key of a row; rows begin with their key."""


def _forecasts(analysis: StoredAnalysis) -> Iterator[Row]:
    """Yield the days of every forecast; one that is missing has none."""
    for counter, section in (analysis.document.get("forecast") or {}).items():
        if not isinstance(section, dict):
            continue
        for day in section.get("days") or ():
            yield (
                analysis.channel_id,
                analysis.analysed_at,
                counter,
                day["day"],
                *(float(day[name]) for name in ("value", "low", "high")),
                section.get("level"),
                section.get("method"),
            )
