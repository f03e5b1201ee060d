"""The files that pages load: styles, scripts, the icon."""

from __future__ import annotations

import hashlib
from importlib.resources import files

SCRIPTS = ("page.js", "charts.js", "lists.js", "search.js", "keys.js")
"""In the order in which they run."""

STATIC = {
    "style.css": "text/css",
    **dict.fromkeys(SCRIPTS, "text/javascript"),
    "icon.svg": "image/svg+xml",
}
"""Their media types by name."""


def content(name: str) -> bytes:
    """Read one of them."""
    return (files("runner.web") / "static" / name).read_bytes()


def fingerprint() -> str:
    """A hash of all of them: browsers keep them until it changes."""
    digest = hashlib.sha256()
    for name in sorted(STATIC):
        digest.update(content(name))
    return digest.hexdigest()[:12]
