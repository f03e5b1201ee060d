"""Text on the pages can be read on whatever ground it may stand: 4.5 to 1, in both themes."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

_STYLE = (files("runner.web") / "static" / "style.css").read_text(encoding="utf-8")
_TOKEN = re.compile(r"--([\w-]+): light-dark\((#[0-9a-f]+), (#[0-9a-f]+)\)")
_TOKENS: dict[str, tuple[str, str]] = {}
for _name, *_colours in _TOKEN.findall(_STYLE):
    _TOKENS.setdefault(_name, (_colours[0], _colours[1]))  # later ones are of a page that is stale

TEXTS = (
    *("ink", "second", "muted", "accent"),
    *("ready", "running", "scheduled", "retrying", "dead", "done", "parked", "unknown"),
)
GROUNDS = (
    *("paper", "card", "hover", "pressed", "selected"),
    *(name for name in _TOKENS if name.endswith("-ground")),
)
LEAST = 4.5


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (
        one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read_on_every_ground(text: str, theme: str) -> None:
    """A state's name stands on tags, selected rows and cards of findings alike."""
    place = ["light", "dark"].index(theme)
    found = {ground: _contrast(_TOKENS[text][place], _TOKENS[ground][place]) for ground in GROUNDS}
    assert {ground: one for ground, one in found.items() if one < LEAST} == {}


def test_contrast_is_that_of_the_guidelines() -> None:
    """Black on white is 21 to 1."""
    assert _contrast("#000", "#ffffff") == pytest.approx(21)
