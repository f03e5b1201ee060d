"""
The typefaces of PDF and PNG files: the same on every machine, for titles in any script.

Noto comes with the extra `fonts`. Without it, the system's own typefaces are used: characters that
they lack show as empty boxes, and the log says so once.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typst

from runner.extras import pip_command
from runner.lazy_log import lazy_log

if TYPE_CHECKING:
    from collections.abc import Sequence

_log = lazy_log("jobs.charts")

_PACKAGES: Final = ("manimgx_fonts", "manimgx_fonts_cjk")
_SYSTEM: Final = ("Liberation Sans", "Arial", "Helvetica Neue", "DejaVu Sans")
_SCRIPTS: Final = [
    "Arabic",
    "Hebrew",
    "Devanagari",
    "Thai",
    "Bengali",
    "Tamil",
    "Telugu",
    "Gujarati",
    "Gurmukhi",
    "Kannada",
    "Malayalam",
    "Oriya",
    "Sinhala",
    "Khmer",
    "Lao",
    "Myanmar",
    "Armenian",
    "Georgian",
    "Ethiopic",
]
_KANA: Final = re.compile("[\u3040-\u30ff]")
_HANGUL: Final = re.compile("[\uac00-\ud7af\u1100-\u11ff]")


@cache
def typefaces() -> typst.Fonts:
    """Return all typefaces; reading them takes a fifth of a second, once."""
    folders = [str(folder) for folder in font_folders()]
    if len(folders) < len(_PACKAGES):
        _log.warning(
            "typefaces missing",
            extra="fonts",
            effect="titles in other scripts may show as boxes in PDF and PNG",
            remedy=pip_command("fonts"),
        )
    complete = len(folders) == len(_PACKAGES)
    return typst.Fonts(include_system_fonts=not complete, font_paths=folders)


def font_folders() -> list[Path]:
    """Return the folders of the extra `fonts`; those that are not installed are left out."""
    found = [find_spec(name) for name in _PACKAGES]
    return [Path(spec.origin).parent for spec in found if spec is not None and spec.origin]


def families(texts: Sequence[str]) -> list[str]:
    """
    Return the names of typefaces, in the order in which they are searched for a character.

    Chinese, Japanese and Korean share characters and draw them differently: kana anywhere in
    *texts* means Japanese, hangul Korean.
    """
    everything = "\n".join(texts)
    region = "JP" if _KANA.search(everything) else "KR" if _HANGUL.search(everything) else "SC"
    wanted = [
        "Noto Sans",
        *_SYSTEM,
        f"Noto Sans CJK {region}",
        *(f"Noto Sans {script}" for script in _SCRIPTS),
        "Noto Sans Symbols",
        "Noto Emoji",
    ]
    available = set(typefaces().families())
    return [name for name in wanted if name in available] or ["Libertinus Serif"]
