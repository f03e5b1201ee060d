"""Where a source lies: a path, an http(s) address, or `samples:`; its spelling tells which."""

from __future__ import annotations

import re
from pathlib import Path

SAMPLES = "samples:"

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_PASSWORD = re.compile(r"(?P<user>://[^/?#@\s:]*):[^/?#\s]*@")


def is_samples(location: str) -> bool:
    """Tell whether *location* names generated samples: all (`samples:`) or one (`samples:NAME`)."""
    return location.startswith(SAMPLES)


def is_address(location: str) -> bool:
    """Tell whether *location* is an address of any scheme, rather than a path."""
    return _SCHEME.match(location) is not None


def absolute(location: str) -> str:
    """Return *location* so that it means the same in every process; only paths change."""
    if is_samples(location) or is_address(location):
        return location
    return str(Path(location).expanduser().absolute())


def shown(location: str) -> str:
    """Return *location* as people may see it: an address keeps its user and loses its password."""
    return _PASSWORD.sub(r"\g<user>:…@", location) if is_address(location) else location
