"""What this process makes is its user's alone, but for the files that its user asked for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

OTHERS = 0o077
"""The rights of group and others."""

_before = [0o022]


def keep_private() -> None:
    """Make files and folders from now on for this user alone; so do processes started later."""
    before = os.umask(OTHERS)
    if before != OTHERS:
        _before[:] = [before]


def share(path: Path) -> None:
    """
    Give a file the rights that it would have had without `keep_private`.

    Raises:
        OSError: They cannot be changed.
    """
    path.chmod(0o666 & ~_before[0])
