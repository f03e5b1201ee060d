"""Every key is made from its application's base, in one place."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "runner" / "broker" / "scripts"
_KEYS = ROOT / "runner" / "broker" / "keys.py"
_OF_NO_PREFIX = {ROOT / "runner" / "client.py"}
"""Where it is said what holds without a prefix."""


def _texts(tree: ast.AST) -> list[tuple[int, str]]:
    """Return line and text of a module's texts, docstrings and the like left out."""
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        (node.lineno, str(node.value))
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str | bytes)
        and id(node) not in alone
    ]


def _modules() -> list[Path]:
    return [
        path
        for folder in ("runner", "jobs", "settings")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path != _KEYS
    ]


def test_no_module_but_one_writes_the_base_of_stock_arq() -> None:
    """It would be another application's, where there is a prefix."""
    found = []
    for path in _modules():
        for line, text in _texts(ast.parse(path.read_text(encoding="utf-8"))):
            if "arq:" in text:
                found.append(f"{path.relative_to(ROOT)}:{line}: {text}")
    assert found == []


def test_no_module_takes_the_keys_of_no_prefix_for_granted() -> None:
    """Each asks `keys.of` for those of its client."""
    found = [
        str(path.relative_to(ROOT))
        for path in _modules()
        if path not in _OF_NO_PREFIX and re.search(r"\bkeys\.ARQ\b", path.read_text("utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*.lua")), ids=lambda path: path.stem)
def test_no_script_writes_the_base_of_stock_arq(path: Path) -> None:
    """Each makes its keys from those that it is given."""
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if "arq:" in line and not line.lstrip().startswith("--")] == []


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*.lua")), ids=lambda path: path.stem)
def test_script_that_makes_names_says_that_it_is_given_the_base(path: Path) -> None:
    """As its second key, which never exists."""
    text = path.read_text(encoding="utf-8")
    if "-- KEYS" in text and re.search(r"\bbase \.\.|KEYS\[2\]", text):
        assert ", 2 the base of the application's keys" in text
