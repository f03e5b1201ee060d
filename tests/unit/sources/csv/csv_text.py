"""CSV text made for a test, read as a source is, and the mappings of single data sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.lists import MAPPINGS
from jobs.sources.csv.csv_source import open_csv
from jobs.sources.csv.fact_cache import temporary_fact_cache
from jobs.sources.csv.layout import Layout
from jobs.sources.csv.mapping import read_mapping
from jobs.sources.document import Document
from jobs.sources.recognise import recognise

if TYPE_CHECKING:
    from jobs.sources.csv.csv_source import CsvSource


def read_csv(content: str | bytes, name: str = "list.csv", mapping: str | None = None) -> CsvSource:
    """Read *content* as the file */d/name*, by *mapping* or the layout that its columns have."""
    raw = content.encode() if isinstance(content, str) else content
    described = read_mapping(mapping) if mapping else None
    found = recognise(Document(f"/d/{name}", name, raw), described)
    assert isinstance(found.layout, Layout), "that is no CSV"
    return open_csv(found.text, found.layout, temporary_fact_cache())


def mapping_named(name: str) -> str:
    """Return the path of a mapping that a data set needs: a benchmark's, or one of tests alone."""
    folders = (MAPPINGS, Path(__file__).with_name("mappings"))
    (path,) = (path for folder in folders if (path := folder / f"{name}.toml").exists())
    return str(path)
