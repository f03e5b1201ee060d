"""
Where channels come from: files, folders, addresses and generated samples, all read alike.

    location → document or fetch → detect → csv_source, feed → Source
    csv_source: layouts → table (rows of text) → facts (typed) → spill (by channel, on a fact_cache)
    discover: all of a folder; open_source: one, kept while its file stays the same; samples
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
