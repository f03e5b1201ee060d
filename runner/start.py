"""
The entry point of `pipeline`: it guards a supervisor from SIGHUP, then imports the command.

Importing it and opening what it works with takes seconds. A SIGHUP in that time must not kill a
supervisor. It has nothing to replace yet: its workers start later, with the code and the settings
of that moment.
"""

from __future__ import annotations

import signal
import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(words: Sequence[str] | None = None) -> NoReturn:
    """Run the command with these words, or those of the process, and exit with its status."""
    words = sys.argv[1:] if words is None else words
    if supervises(words):
        # A function, not SIG_IGN, which every child process would inherit.
        signal.signal(signal.SIGHUP, lambda *_: None)
    # redis-py imports it, and it cryptography, for a login that few use: a sixth of the time.
    import_when_used("jwt")
    from runner.commands.run_command import end_process, run_command
    from runner.program import cli

    end_process(run_command(cli, words, expected=cli.found.expected_errors))


class _WhenUsed(ModuleType):
    """A module that is loaded by the first look at what it holds; `import` alone is no look."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        self.__dict__.update(vars(import_module(self.__name__)))
        return self.__dict__[name]


def import_when_used(name: str) -> None:
    """Spare what an import of this module costs, until it is used."""
    if name not in sys.modules and (spec := find_spec(name)) is not None:
        module = sys.modules[name] = _WhenUsed(name)
        module.__spec__ = spec


def supervises(words: Sequence[str]) -> bool:
    """Whether the command with these words runs worker processes, and is not one of them."""
    if "worker" not in words or "--supervised" in words:
        return False
    parts = [part for word in words for part in word.split("=", 1)]
    several = "--processes" in parts and parts[parts.index("--processes") + 1 :][:1] != ["1"]
    return several or "--memory-limit-mb" in parts


if __name__ == "__main__":
    main()
