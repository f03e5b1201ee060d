"""
Where facts are kept: one folder for each content that was read, named by it.

Every process of this machine shares them, so that a large file is read once and not once a
worker. Facts that nobody has opened for a month are removed.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.sources.csv import fact_files
from jobs.sources.csv.fact_files import FactFiles

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobs.sources.csv.fact_files import Batch

_KEPT_S = 30 * 24 * 3600


@dataclass(frozen=True, slots=True)
class FactCache:
    """A folder of facts; it is made when the first are put there."""

    folder: Path

    def get(self, key: str) -> FactFiles | None:
        """Return the facts of *key*, or None."""
        folder = self.folder / key
        try:
            os.utime(folder)
        except OSError:
            return None
        return FactFiles(folder) if (folder / "summary.json").exists() else None

    def put(self, key: str, batches: Iterable[Batch]) -> FactFiles | None:
        """
        Keep the facts of *key*, made from *batches*; return None if these hold not a single row.

        Raises:
            OSError: The folder cannot be written.
        """
        self._remove_old()
        folder = self.folder / key
        return FactFiles(folder) if fact_files.build(folder, batches) else None

    def holds(self, files: FactFiles) -> bool:
        """Whether *files* lie here, and nowhere else."""
        folder = files.folder
        return folder.name not in {"", ".."} and folder == self.folder / folder.name

    def _remove_old(self) -> None:
        if not self.folder.is_dir():
            return
        for each in self.folder.iterdir():
            if time.time() - each.stat().st_mtime > _KEPT_S:
                shutil.rmtree(each, ignore_errors=True)


@cache
def temporary_fact_cache() -> FactCache:
    """Return this process's own cache, which is removed as the process ends."""
    folder = tempfile.mkdtemp(prefix="channel-pipeline-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return FactCache(Path(folder))
