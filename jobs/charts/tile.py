"""A channel's tile, where it has no picture: its initials, on a colour of its own."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from jobs.channel.text import characters, clean

_SAMPLE: Final = " (generated sample)"
_COLOURS: Final = ("#5b4fb3", "#0b63b0", "#17805c", "#8a5a00", "#a8320b", "#2f5d73", "#7a3b8f")
"""White letters have 4.5 to 1 on each."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One or two *letters*, and the *colour* under them."""

    letters: str
    colour: str

    def svg(self) -> Markup:
        """Return it as a picture that says nothing to screen readers: the title stands beside."""
        return Markup(
            '<svg class="channel-tile" viewBox="0 0 40 40" aria-hidden="true">'
            '<rect width="40" height="40" rx="9" fill="{}"/>'
            '<text x="20" y="25.5" text-anchor="middle" font-size="15" font-weight="650" '
            'fill="#fff">{}</text></svg>'
        ).format(self.colour, self.letters)


def plain_title(title: str, *, generated: bool) -> str:
    """Return the title of a channel for places that say by themselves what is generated."""
    return title.removesuffix(_SAMPLE) if generated else title


def tile(channel_id: str, title: str) -> Tile:
    """Return the tile of a channel: the same for the same id and title, everywhere."""
    number = int.from_bytes(hashlib.sha256(channel_id.encode()).digest()[:2])
    return Tile(_initials(title) or _initials(channel_id) or "–", _COLOURS[number % len(_COLOURS)])


def _initials(title: str) -> str:
    """Return the first letter of the first two words; of a script without capitals, of one."""
    words = ["".join(one for one in word if one.isalnum()) for word in clean(title).split()]
    firsts = [characters(word)[0] for word in words if word][:2]
    if firsts and unicodedata.east_asian_width(firsts[0][0]) in "WF":
        firsts = firsts[:1]
    return "".join(firsts).upper()[:2]
