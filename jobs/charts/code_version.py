"""Which code draws: charts of other code are outdated, whatever data they show."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Final

_PACKAGES: Final = ("jobs.charts", "jobs.analysis")
_LIBRARIES: Final = ("altair",)


@cache
def code_version() -> str:
    """Sixteen digits of the source that makes specifications; reading it takes milliseconds."""
    digest = hashlib.sha256(" ".join(version(name) for name in _LIBRARIES).encode())
    for package in _PACKAGES:
        modules = [one for one in files(package).iterdir() if one.name.endswith(".py")]
        for module in sorted(modules, key=lambda one: one.name):
            digest.update(f"\n{package}/{module.name}\n".encode())
            digest.update(module.read_bytes())
    return digest.hexdigest()[:16]
