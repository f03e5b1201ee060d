"""The state directory: made, and checked for writing, before anything is started."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

from settings.environment import SettingsError

if TYPE_CHECKING:
    from settings.environment import Settings


def make_home(settings: Settings) -> None:
    """
    Make the state directory if it is missing, and check that it can be written.

    Raises:
        SettingsError: It cannot be made or written.
    """
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.home) as probe:
            # On a full disk the file can be made, but not filled.
            probe.write(b"\0" * 4096)
    except OSError as error:
        raise SettingsError(
            f"state directory {settings.home}: cannot be written: {error.strerror or error}; "
            "make it writable, or choose another with PIPELINE_HOME"
        ) from None
