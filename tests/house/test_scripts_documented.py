"""The page of the scripts says what they take."""

from __future__ import annotations

from tests.house.scripts_page import PAGE, page


def test_page_of_the_scripts_is_up_to_date() -> None:
    """A field that is new or gone is so on the page, too."""
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tests.house.scripts_page"
