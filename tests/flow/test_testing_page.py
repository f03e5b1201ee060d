"""The tests that `docs/testing.md` shows pass, in a folder of their own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.pipeline_command import Commands

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
_FILE = re.compile(r"^```python (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.timeout(560)
def test_page_shows_tests_that_pass(commands: Commands) -> None:
    """Word by word, with the fixtures that pytest finds by itself."""
    files = dict(_FILE.findall(PAGE.read_text(encoding="utf-8")))
    for name, text in files.items():
        (commands.folder / name).write_text(text, encoding="utf-8")

    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", "."],
        cwd=commands.folder,
        env=commands._environment({}),
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    count = sum(text.count("def test_") for text in files.values())
    assert f"{count} passed" in ran.stdout
