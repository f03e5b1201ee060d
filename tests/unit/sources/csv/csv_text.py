"""CSV text made for a test, read as a source is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.sources.csv.csv_source import open_csv
from jobs.sources.csv.fact_cache import temporary_fact_cache
from jobs.sources.document import Document
from jobs.sources.recognise import layout_in

if TYPE_CHECKING:
    from jobs.sources.csv.csv_source import CsvSource


def read_csv(content: str | bytes, name: str = "list.csv") -> CsvSource:
    """Read *content* as the file */d/name*, by the layout that its columns have."""
    raw = content.encode() if isinstance(content, str) else content
    text = Document(f"/d/{name}", name, raw)
    layout = layout_in(text)
    assert layout is not None, "that is no CSV"
    return open_csv(text, layout, temporary_fact_cache())
