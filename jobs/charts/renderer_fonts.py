"""
The renderer's copy of Liberation Sans instead of the system's, which costs half of a drawing.

vl-convert measures each text by the typeface that it would be set in, and maps the file anew each
time: a thousand times a chart. It has a copy of Liberation in memory, for which none of that is
needed, and takes it where the system's is not found. Both have the same widths.

fontdb, which finds the typefaces, reads fontconfig's list of folders once in a process, before the
first drawing. So the first is made while `FONTCONFIG_FILE` names a list without Liberation.
"""

from __future__ import annotations

import os
import tempfile
import xml.etree.ElementTree as ET
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_VARIABLE: Final = "FONTCONFIG_FILE"
_STANDARD: Final = Path("/etc/fonts/fonts.conf")
_FOLDERS: Final = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts")
_TYPEFACES: Final = frozenset({".ttf", ".otf", ".ttc", ".otc"})
_HIDDEN: Final = "liberation"


@contextmanager
def without_liberation() -> Iterator[None]:
    """
    Hide folders of the system that hold Liberation alone, for what starts in the block.

    Nothing changes where there are none, or where `FONTCONFIG_FILE` is set already.
    """
    roots = list(_roots())
    shown = list(_shown(roots))
    if _VARIABLE in os.environ or shown == roots:
        yield
        return
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "fonts.conf")
        # With its own folder, since fontdb takes a list of none for no list.
        config.write_text(_config([*shown, Path(folder)]), encoding="utf-8")
        os.environ[_VARIABLE] = str(config)
        try:
            yield
        finally:
            del os.environ[_VARIABLE]


def _config(folders: Iterable[Path]) -> str:
    listed = "".join(f"<dir>{escape(str(folder))}</dir>" for folder in folders)
    return f'<?xml version="1.0"?><fontconfig>{listed}</fontconfig>'


def _roots() -> Iterator[Path]:
    """Yield the folders of typefaces that exist: those that fontconfig lists, and the usual."""
    listed: list[str] = []
    with suppress(OSError, ET.ParseError):
        for entry in ET.parse(_STANDARD).iter("dir"):  # noqa: S314 -- the system's own
            prefix = "~/.local/share/" if entry.get("prefix") == "xdg" else ""
            listed.append(f"{prefix}{(entry.text or '').strip()}")
    folders = (Path(each).expanduser() for each in (*listed, *_FOLDERS))
    yield from dict.fromkeys(folder for folder in folders if folder.is_dir())


def _shown(folders: Iterable[Path]) -> Iterator[Path]:
    """Yield *folders*; one with Liberation below it as those of its folders that are not that."""
    for folder in folders:
        below = [each for each in folder.rglob("*") if each.suffix.lower() in _TYPEFACES]
        hidden = [each for each in below if _is_hidden(each)]
        if not hidden:
            yield folder
        elif len(hidden) == len(below):
            continue
        elif any(each.parent == folder for each in below):
            yield folder  # they cannot be told apart here: the list is one of folders
        else:
            yield from _shown(sorted(each for each in folder.iterdir() if each.is_dir()))


def _is_hidden(typeface: Path) -> bool:
    return typeface.name.lower().startswith(_HIDDEN)
