"""The examples of docs/examples, which tests run, are those that the page shows."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
_FILE = re.compile(r"^```python (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_page_shows_the_files_of_the_examples() -> None:
    """Word by word, and every file that says more than what its package is."""
    shown = dict(_FILE.findall((DOCS / "frameworks.md").read_text(encoding="utf-8")))
    written = {
        path.relative_to(DOCS / "examples").as_posix(): path.read_text(encoding="utf-8")
        for path in (DOCS / "examples").rglob("*.py")
        if path.name != "__init__.py"
    }

    assert written
    assert shown == written
