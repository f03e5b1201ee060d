"""
A process's wall clock, set while the process runs; its monotonic clock stays right.

A library of a few lines, `wall_clock.c`, is loaded before all others. (libfaketime would do, but
Python's `time.sleep` fails with it, and a server with jemalloc hangs.)
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

_SOURCE = Path(__file__).with_suffix(".c")
_COMPILERS = ("cc", "gcc", "clang")


class WallClock:
    """The wall clock of the processes that are started with its `environment`."""

    def __init__(self, library: Path, file: Path) -> None:
        self._file = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        self.environment = {"LD_PRELOAD": str(library), "CHAOS_CLOCK": str(file)}
        self.set(0)

    def set(self, offset_s: int) -> None:
        """Let it show another time, from now on: *offset_s* from the right one."""
        os.pwrite(self._file, struct.pack("=q", offset_s), 0)

    def close(self) -> None:
        """Close the file; the processes keep theirs."""
        os.close(self._file)


def library_in(folder: Path) -> Path | None:
    """Build the library; None where there is no Linux or no C compiler."""
    compiler = next(filter(None, map(shutil.which, _COMPILERS)), None)
    if sys.platform != "linux" or compiler is None:
        return None
    library = folder / "wall_clock.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCE)], check=True
    )
    return library
