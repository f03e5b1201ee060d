"""Each test reads settings from an environment without any, and leaves none behind."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from settings import environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Remove every variable that is a setting, and work in an empty folder."""
    known = {name.upper() for name in environment.Settings.model_fields}
    for name in list(os.environ):
        if name.upper().partition("__")[0] in known or name in {
            environment.CONFIG_VARIABLE,
            environment.SECRETS_VARIABLE,
        }:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    environment.use_config_file(None)
    yield
    environment.use_config_file(None)
