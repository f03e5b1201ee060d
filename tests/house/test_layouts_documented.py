"""Every layout that is known stands in docs/sources.md, with every column it is known by."""

from __future__ import annotations

from pathlib import Path

from jobs.sources.csv.layouts import LAYOUTS

PAGE = Path(__file__).parents[2] / "docs" / "sources.md"


def test_every_layout_is_documented() -> None:
    """A layout that nobody can look up is one that nobody uses."""
    page = PAGE.read_text(encoding="utf-8").lower()
    lacking = [layout.name for layout in LAYOUTS if f"| {layout.name.lower()} |" not in page]
    lacking += [
        f"{layout.name}: {column}"
        for layout in LAYOUTS
        for column in layout.needs
        if column not in page
    ]
    assert lacking == []
