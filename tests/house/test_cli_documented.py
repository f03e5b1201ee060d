"""docs/reference-cli.md lists every command with each of its options, and no other."""

from __future__ import annotations

from tests.house import cli_page


def test_cli_page_is_what_the_commands_say() -> None:
    """A new, removed or changed command or option fails here until the page is updated."""
    written = cli_page.PAGE.read_text(encoding="utf-8")

    assert written == cli_page.page(), "run: python -m tests.house.cli_page"
