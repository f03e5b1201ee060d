"""The page of the scripts lists their fields."""

from __future__ import annotations

from tests.house.scripts_page import PAGE, page


def test_page_of_the_scripts_is_up_to_date() -> None:
    """A new or removed field fails here until the page is updated."""
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tests.house.scripts_page"
