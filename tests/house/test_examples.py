"""The examples of docs/examples, which tests run, are those that the page shows."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
_SAID_BY_NAME = {"__init__.py", "manage.py", "models.py", "urls.py"}
"""What these hold, everybody knows who knows the framework."""
_FILE = re.compile(r"^```\w+ (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_page_shows_the_files_of_the_examples() -> None:
    """Word by word, and none of what is about jobs is left out."""
    shown = dict(_FILE.findall((DOCS / "frameworks.md").read_text(encoding="utf-8")))
    written = {
        path.relative_to(DOCS / "examples").as_posix(): path.read_text(encoding="utf-8")
        for path in (DOCS / "examples").rglob("*.*")
        if path.suffix in {".py", ".toml"} and path.name not in _SAID_BY_NAME
    }

    assert written
    assert shown == written
