"""Real channel data, recorded outside this repository: tests that want it skip where it is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

VARIABLE = "PIPELINE_TEST_DATA"


def data_root() -> Path:
    """Say where the data would be: where the environment says, or in `shared/data` beside us."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else Path(__file__).parents[2] / "shared" / "data"


def data_path(*parts: str) -> Path:
    """Give the file or folder *parts* of the data, or skip the test (or module) that asks."""
    root = data_root()
    path = root.joinpath(*parts)
    if not path.exists():
        what = "/".join(parts) or "folder"
        pytest.skip(
            f"no real data: {what} is not in {root} ({VARIABLE} names another folder)",
            allow_module_level=True,
        )
    return path
