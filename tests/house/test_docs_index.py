"""docs/README.md links to every page, and no page has a dead link."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from runner.commands.run_command import run_command
from runner.program import cli

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(?:#[^)\s]*)?\)")
_SHELL = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _links(page: Path) -> set[Path]:
    return {(page.parent / link).resolve() for link in _LINK.findall(page.read_text("utf-8"))}


def test_index_leads_to_every_page() -> None:
    """The index links to every page."""
    index = DOCS / "README.md"

    assert set(DOCS.rglob("*.md")) - {index} - _links(index) == set()


def test_links_of_every_page_lead_somewhere() -> None:
    """Every link leads to an existing file."""
    pages = [*DOCS.rglob("*.md"), *ROOT.glob("*.md")]
    astray = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in pages
        for link in _links(page)
        if not link.exists()
    ]

    assert pages
    assert astray == []


@pytest.mark.parametrize("page", ["tutorial.md", "deployment.md"])
def test_commands_to_type_exist(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`pipeline` knows every command and option that these pages show."""
    blocks = _SHELL.findall((DOCS / page).read_text("utf-8"))
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    commands = [
        words[at + 1 :]
        for words in (shlex.split(line, comments=True) for line in lines)
        for at, word in enumerate(words)
        # Alone, or inside a container.
        if word == "pipeline" and (at == 0 or words[at - 2] == "exec")
    ]
    wrong = [
        f"{command}: {capsys.readouterr().err.strip()}"
        for command in commands
        if run_command(cli, [*command, "--help"], expected=tuple) != 0
    ]

    assert commands
    assert wrong == []
