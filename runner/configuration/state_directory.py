"""The state directory: made, kept private, and checked for writing, before anything is started."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING

from runner.errors import SettingsError
from runner.private_files import OTHERS, keep_private

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from runner.configuration.environment import Settings


def make_home(settings: Settings) -> None:
    """
    Make the state directory if it is missing, for this user alone, and check it for writing.

    One that is there is narrowed, unless it holds what is not ours; `pipeline doctor` tells.

    Raises:
        SettingsError: It cannot be made or written.
    """
    keep_private()
    home = settings.home
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home) as probe:
            # On a full disk the file can be made, but not filled.
            probe.write(b"\0" * 4096)
        _narrow(home, settings.state_files)
    except OSError as error:
        raise SettingsError(
            f"state directory {home}: cannot be written: {error.strerror or error}; "
            "make it writable, or choose another with PIPELINE_HOME"
        ) from None


def _narrow(home: Path, names: Collection[str]) -> None:
    """Take the rights of others at our files, by *names*, and at the folder if all is ours."""
    entries = [one for one in home.iterdir() if not one.is_symlink()]
    ours = [one for one in entries if one.name in names]
    for path in [*([home] if len(ours) == len(entries) else []), *ours]:
        with suppress(FileNotFoundError):  # an unfinished file is gone in a moment
            found = path.stat()
            if found.st_uid == os.geteuid() and found.st_mode & OTHERS:
                path.chmod(stat.S_IMODE(found.st_mode) & ~OTHERS)
