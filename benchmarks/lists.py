"""Open the lists of a data set: by a known layout, or by the mapping beside us that fits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jobs.sources import SourceError, open_source
from jobs.sources.csv.mapping import read_mapping
from jobs.sources.document import text_file

if TYPE_CHECKING:
    from jobs.sources import Source

MAPPINGS = Path(__file__).with_name("mappings")
"""Mappings for the lists that one data set alone has."""


async def open_list(path: Path) -> Source:
    """
    Open the list at *path*.

    Raises:
        SourceError: It cannot be read, or is no list that we know.
    """
    try:
        return await open_source(str(path))
    except SourceError:
        mapping = mapping_of(path)
        if mapping is None:
            raise
        return await open_source(str(path), mapping=mapping)


def mapping_of(path: Path) -> str | None:
    """Return the mapping whose columns the list at *path* has, or None."""
    text = text_file(str(path))
    mappings = (read_mapping(str(each)) for each in sorted(MAPPINGS.iterdir()))
    return next((each.location for each in mappings if each.fits(text)), None)
