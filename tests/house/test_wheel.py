"""The wheel contains what the checkout has."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[2]
PACKAGES = ("runner", "jobs", "settings")


@pytest.fixture
def wheel(wheel_file: Path) -> Iterable[zipfile.ZipFile]:
    """Open the wheel."""
    with zipfile.ZipFile(wheel_file) as archive:
        yield archive


def test_wheel_carries_every_file_of_the_packages(wheel: zipfile.ZipFile) -> None:
    """Scripts, migrations and templates are in the wheel with the code."""
    here = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    assert here - set(wheel.namelist()) == set()


def test_wheel_carries_nothing_else(wheel: zipfile.ZipFile) -> None:
    """No tests, tools or notes are in the wheel."""
    folders = {name.partition("/")[0] for name in wheel.namelist()}

    assert {name for name in folders if not name.endswith(".dist-info")} == set(PACKAGES)
