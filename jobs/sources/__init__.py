"""
Where channels come from: files, folders, addresses and generated samples, all read alike.

    location      what a location names: a file, a folder, an address, YouTube, samples
    document      the text of a file, unpacked; of an address, `fetch` (guarded by `addresses`)
    header        the text's first line, as columns
    recognise     what the text is: a CSV of a layout, a table of a Studio export, a feed
    csv/ studio/ feed/ youtube/ samples
                  each reads its own kind of source; `values/` reads single cells and tags
    open_source   all of this for one location; `cache` keeps the source while its file stays
    discover      all sources in a folder
    reader        both, with a process's keys and limits; what jobs use
"""

from __future__ import annotations

from jobs.sources.csv.fact_cache import FactCache
from jobs.sources.discover import Finding, discover
from jobs.sources.open_source import open_source
from jobs.sources.source import Skipped, Source, SourceError, UnrecognisedError

__all__ = [
    "FactCache",
    "Finding",
    "Skipped",
    "Source",
    "SourceError",
    "UnrecognisedError",
    "discover",
    "open_source",
]
