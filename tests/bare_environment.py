"""An environment in which nothing is set that is a setting, and an empty folder to work in."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runner.configuration import CONFIG_VARIABLE, SECRETS_VARIABLE, use_config_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from runner.configuration import Settings


@contextmanager
def bare_environment(
    kind: type[Settings], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> Iterator[None]:
    """Remove every variable that is a setting of *kind*, and work in *folder*; forget it after."""
    known = {name.upper() for name in kind.model_fields}
    for name in list(os.environ):
        if name.upper().partition("__")[0] in known or name in {CONFIG_VARIABLE, SECRETS_VARIABLE}:
            monkeypatch.delenv(name)
    monkeypatch.chdir(folder)
    use_config_file(None)
    yield
    use_config_file(None)
