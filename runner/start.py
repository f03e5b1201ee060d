"""
The entry point of `pipeline`: it guards a supervisor from SIGHUP, then imports the command.

Importing it and opening what it works with takes seconds. A SIGHUP in that time must not kill a
supervisor. It has nothing to replace yet: its workers start later, with the code and the settings
of that moment.
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
        # A function, not SIG_IGN, which every child process would inherit.
        signal.signal(signal.SIGHUP, lambda *_: None)
    from runner.commands.run_command import end_process, run_command
    from runner.program import cli

    end_process(run_command(cli, sys.argv[1:], expected=cli.found.expected_errors))


def supervises(words: Sequence[str]) -> bool:
    """Whether the command with these words runs worker processes, and is not one of them."""
    if "worker" not in words or "--supervised" in words:
        return False
    parts = [part for word in words for part in word.split("=", 1)]
    several = "--processes" in parts and parts[parts.index("--processes") + 1 :][:1] != ["1"]
    return several or "--memory-limit-mb" in parts


if __name__ == "__main__":
    main()
