"""Each test reads settings from an environment without any, and leaves none behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from settings.environment import Settings
from tests.bare_environment import bare_environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Remove every variable that is a setting, and work in an empty folder."""
    with bare_environment(Settings, monkeypatch, tmp_path):
        yield
