"""docs/sources.md lists every known layout with every column that identifies it."""

from __future__ import annotations

from pathlib import Path

from jobs.sources.csv.known_layouts import known_layouts

PAGE = Path(__file__).parents[2] / "docs" / "sources.md"


def test_every_layout_is_documented() -> None:
    """Every layout and column is in the documentation."""
    page = PAGE.read_text(encoding="utf-8").lower()
    lacking = [
        layout.name for layout in known_layouts() if f"| {layout.name.lower()} |" not in page
    ]
    lacking += [
        f"{layout.name}: {column}"
        for layout in known_layouts()
        for column in layout.needs
        if column not in page
    ]
    assert known_layouts()
    assert lacking == []
