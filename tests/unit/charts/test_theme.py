"""The theme is readable in light and dark, and with colour-vision deficiencies."""

from __future__ import annotations

import itertools
import re
from dataclasses import asdict

import pytest

from jobs.charts.templates import template
from jobs.charts.theme import DARK, LIGHT, Palette, trimmed
from tests.unit.charts.colour_vision import SIMULATED, contrast, distance

PALETTES = pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])


def series(palette: Palette) -> dict[str, str]:
    """Return the colours that distinguish series."""
    return {name: getattr(palette, name) for name in ("blue", "sky", "orange", "red")}


def test_contrast_of_black_and_white_is_that_of_the_standard() -> None:
    """The contrast function is right at both ends."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#777777") == 1


@PALETTES
def test_theme_text_has_contrast(palette: Palette) -> None:
    """Text has 4.5 to 1 on every background (WCAG 2, AA)."""
    pairs = [
        *itertools.product(
            (palette.ink, palette.muted, palette.accent), (palette.page, palette.card)
        ),
        (palette.note_ink, palette.note),
    ]
    for text, ground in pairs:
        assert contrast(text, ground) >= 4.5, (text, ground)


@PALETTES
def test_theme_series_have_contrast(palette: Palette) -> None:
    """Marks have 3 to 1 on their card (WCAG 2.1, 1.4.11)."""
    for name, colour in series(palette).items():
        assert contrast(colour, palette.card) >= 3, name


@PALETTES
@pytest.mark.parametrize("vision", SIMULATED)
def test_theme_series_differ_for_everyone(palette: Palette, vision: str) -> None:
    """Any two series are distinguishable with every common colour-vision deficiency."""
    for one, other in itertools.combinations(series(palette).items(), 2):
        assert distance(one[1], other[1], vision) >= 20, (one, other)


def test_theme_roles_have_values_of_their_own() -> None:
    """A page finds each role of a drawing by its colour, so no two roles share one."""
    drawn = [LIGHT.ink, LIGHT.muted, LIGHT.line, LIGHT.card, *series(LIGHT).values()]
    assert len(set(drawn)) == len(drawn)


def test_theme_page_restyles_every_role() -> None:
    """Each colour of a drawing becomes its role's variable, as fill and as stroke."""
    css = template("colours.css.j2").render(light=asdict(LIGHT), dark=asdict(DARK))
    found = set(re.findall(r'\.chart \[(\w+)="(#\w+)"\]', css))
    for colour in (LIGHT.ink, LIGHT.muted, LIGHT.line, LIGHT.card, *series(LIGHT).values()):
        assert {("fill", colour), ("stroke", colour)} <= found


@pytest.mark.parametrize(
    ("title", "short"),
    [
        ("As it is", "As it is"),
        ("One word too many here", "One word too…"),
        ("東京の配信アーカイブ", "東京の配信ア…"),
        ("🎉🎉🎉🎉🎉🎉🎉🎉🎉", "🎉🎉🎉🎉🎉🎉…"),
        ("  spaced \n out ", "spaced out"),
    ],
)
def test_trimmed_counts_what_is_wide_twice(title: str, short: str) -> None:
    """A label takes the same width in any script."""
    assert trimmed(title, 14) == short
