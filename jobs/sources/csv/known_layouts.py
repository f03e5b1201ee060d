"""The layouts in `layouts/`: the first that fits a file's columns is taken."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.sources.csv.mapping import read_mapping

if TYPE_CHECKING:
    from collections.abc import Collection

    from jobs.sources.csv.layout import Layout

_FOLDER = Path(__file__).with_name("layouts")


@cache
def known_layouts() -> tuple[Layout, ...]:
    """Read the layouts, by the names of their files, when they are first needed."""
    return tuple(read_mapping(str(path)).layout for path in sorted(_FOLDER.glob("*.toml")))


def layout_of(header: Collection[str]) -> Layout | None:
    """Return the known layout of a file with this *header*, or None."""
    return next((layout for layout in known_layouts() if layout.fits(header)), None)
