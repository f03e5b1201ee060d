"""Earlier states of this checkout, which a benchmark compares it with."""

from __future__ import annotations

import io
import shutil
import subprocess
import zipfile
from typing import TYPE_CHECKING

from benchmarks.measure import MeasurementError
from benchmarks.peers import HERE

if TYPE_CHECKING:
    from pathlib import Path


def short_commit(revision: str) -> str:
    """Return the short hash of the commit that *revision* names; raise `MeasurementError`."""
    return _git("rev-parse", "--verify", "--short", f"{revision}^{{commit}}").decode().strip()


def unpack(commit: str, folder: Path, *paths: str) -> None:
    """Unpack *paths* into *folder* as they were at *commit*; raise `MeasurementError`."""
    packed = _git("archive", "--format=zip", commit, *paths)
    zipfile.ZipFile(io.BytesIO(packed)).extractall(folder)


def _git(*words: str) -> bytes:
    git = shutil.which("git")
    if git is None:
        raise MeasurementError("no git on PATH")
    done = subprocess.run([git, *words], check=False, capture_output=True, cwd=HERE.parent)
    if done.returncode:
        raise MeasurementError(f"git {words[0]}: {done.stderr.decode().strip()}")
    return done.stdout
