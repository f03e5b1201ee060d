"""CSV text made for a test, read as a source is, and the mappings of single data sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.lists import MAPPINGS
from jobs.sources.csv.csv_source import open_csv
from jobs.sources.csv.fact_cache import temporary_fact_cache
from jobs.sources.csv.mapping import read_mapping
from jobs.sources.document import Document
from jobs.sources.recognise import layout_in

if TYPE_CHECKING:
    from jobs.sources.csv.csv_source import CsvSource


def read_csv(content: str | bytes, name: str = "list.csv", mapping: str | None = None) -> CsvSource:
    """Read *content* as the file */d/name*, by *mapping* or the layout that its columns have."""
    raw = content.encode() if isinstance(content, str) else content
    text = Document(f"/d/{name}", name, raw)
    layout = layout_in(text) if mapping is None else read_mapping(mapping).layout
    assert layout is not None, "that is no CSV"
    return open_csv(text, layout, temporary_fact_cache())


def mapping_named(name: str) -> str:
    """Give the path of a mapping that a data set needs: a benchmark's, or one of tests alone."""
    folders = (MAPPINGS, Path(__file__).with_name("mappings"))
    (path,) = (path for folder in folders if (path := folder / f"{name}.toml").exists())
    return str(path)
