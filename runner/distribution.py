"""What this package was installed by: its name, its version, and the extras that it names."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, entry_points
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from importlib.metadata import Distribution

_COMMAND: Final = "pipeline"
_STARTS: Final = "runner.start:main"


@cache
def distribution() -> Distribution:
    """
    Return the distribution whose command `pipeline` starts here.

    Raises:
        PackageNotFoundError: None is installed: this is a copy of the files.
    """
    for command in entry_points(group="console_scripts", name=_COMMAND):
        if command.value == _STARTS and command.dist is not None:
            return command.dist
    raise PackageNotFoundError(__package__)
