"""Each border in SECURITY.md is held by tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def _rows() -> list[list[str]]:
    """The rows of the threat model: border, promise, tests."""
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    table = text.partition("## Threat model")[2].partition("### ")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("|")]
    return rows[2:]


def test_tests_that_hold_a_border_exist() -> None:
    """A test that is renamed or removed fails here until its promise has another."""
    missing = []
    for row in _rows():
        for path, name in _TEST.findall(row[-1]):
            file = ROOT / path
            text = file.read_text(encoding="utf-8") if file.exists() else ""
            functions = {
                node.name
                for node in ast.parse(text).body
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            }
            if not text or (name and name not in functions):
                missing.append(f"{path}::{name}")
    assert missing == []


def test_every_promise_is_held_by_a_test() -> None:
    """No row is without one."""
    rows = _rows()
    assert len(rows) > 15
    assert [row for row in rows if not _TEST.search(row[-1])] == []


def test_every_requirement_says_what_holds() -> None:
    """Or to whom it is left."""
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8").partition("## OWASP")[2]
    states = re.findall(r"^\| (?!requirement|---)[^|]* \| ([^|]*) \|$", text, re.MULTILINE)
    assert len(states) > 20
    known = ("holds", "in part: ", "left to ", "does not hold: ")
    assert [state for state in states if not state.startswith(known)] == []
