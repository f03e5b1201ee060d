"""
The first step of the `pipeline` command: what must hold before anything else is imported.

Importing the commands, and opening what they work with, takes seconds. A supervisor that a SIGHUP
reaches in them must not die of it. It has nothing to replace yet: its workers start later, with
the code and the settings of then.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def main() -> None:
    """Run the command that the process was started with, and exit with its status."""
    if supervises(sys.argv[1:]):
        # A function, and not SIG_IGN: that would be handed on to every process that is started.
        signal.signal(signal.SIGHUP, lambda *_: None)
    from settings.command import main as run

    run()


def supervises(words: Sequence[str]) -> bool:
    """Whether a command of these words keeps worker processes, and is none of them."""
    if "worker" not in words or "--supervised" in words:
        return False
    parts = [part for word in words for part in word.split("=", 1)]
    several = "--processes" in parts and parts[parts.index("--processes") + 1 :][:1] != ["1"]
    return several or "--memory-limit-mb" in parts
