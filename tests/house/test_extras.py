"""Extras: the code knows which one brings what it imports, and says so where one is missing."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import click
import pytest
from arq.cli import cli as arq_command

from runner.commands.run_command import run_command
from runner.errors import ConfigurationError, MissingExtraError
from runner.extras import extra, in_one_line, lacking, modules, pip_command
from runner.program import cli

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
PAGE = (ROOT / "docs/installation.md").read_text(encoding="utf-8")

_FRAMEWORKS = {"django", "fastapi", "flask"}
"""A project has its framework already; no deployment of the product needs one."""
_OWN = {"runner", "jobs", "settings"}
_BASE = {"arq", "pydantic", "redis", "structlog"}
_OF_WHOEVER_TESTS = {"pytest"}
"""It loads our plugin itself; nothing else imports that."""

_WITH_ANOTHER = {
    "asgiref": "django",
    "click": "arq",
    "hiredis": "arq",
    "markupsafe": "jinja2",
    "pydantic_core": "pydantic",
}


def test_every_import_comes_with_the_base_or_an_extra() -> None:
    """What a module imports is installed by somebody whom the code can name."""
    known = _BASE | set(modules()) | set(_WITH_ANOTHER) | _OWN | _OF_WHOEVER_TESTS
    known |= sys.stdlib_module_names

    assert _imported() - known == set()
    assert set(_WITH_ANOTHER.values()) <= _BASE | set(modules())


def test_all_is_every_extra_but_the_frameworks() -> None:
    """The extra `all` has no list of its own that could fall behind."""
    [everything] = EXTRAS["all"]

    names = sorted(set(EXTRAS) - {"all"} - _FRAMEWORKS)
    assert everything == f"{PROJECT['name']}[{','.join(names)}]"


def test_page_lists_every_extra_with_what_it_is_for() -> None:
    """The table of docs/installation.md has the extras of pyproject.toml."""
    assert re.findall(r"^\| `(\w+)` \| ", PAGE, re.MULTILINE) == sorted(EXTRAS)


@pytest.mark.parametrize("name", ["statsd", "all"])
def test_page_has_the_commands_of_what_is_built_from_source(name: str) -> None:
    """cystatsd needs two commands, and so does what holds it."""
    for command in pip_command(name).split(" && "):
        assert f"\n{command}\n" in PAGE


@pytest.mark.parametrize(
    ("command", "module", "name"),
    [("top", "textual", "terminal"), ("password", "argon2", "web")],
)
def test_command_without_its_extra_says_which(
    command: str,
    module: str,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line: the command, the extra, and what to type."""
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "runner.web.login", raising=False)

    words = {"password": ["--password", "x"]}.get(command, [])
    status = run_command(cli, [command, *words], expected=cli.found.expected_errors)

    assert status == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"pipeline: pipeline {command} needs the extra {name} (")
    assert line.endswith(f": {pip_command(name)}")


def test_fault_of_an_import_is_no_missing_extra() -> None:
    """A module that nobody brings, and a name that a module lacks, stay what they are."""
    with pytest.raises(ImportError, match="no_such"), extra("web", "a page"):
        from runner.errors import no_such  # type: ignore[attr-defined] # noqa: F401
    assert lacking("x", ModuleNotFoundError("No module named 'y'", name="y")) is None
    assert lacking("x", ModuleNotFoundError("no part", name="click.no_part")) is None


def test_arqs_command_gets_one_line_instead_of_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A missing extra, or a setting that is wrong; elsewhere both stay the errors that they are."""
    monkeypatch.setitem(sys.modules, "polars", None)
    missing = ModuleNotFoundError("No module named 'polars'", name="polars")
    wrong = ConfigurationError("REDIS_URL: it is wrong")
    for error, line, kind in (
        (missing, r"settings\.X needs the extra channels", MissingExtraError),
        (wrong, "REDIS_URL: it is wrong", ConfigurationError),
    ):
        with (
            click.Context(arq_command),
            pytest.raises(click.ClickException, match=line),
            in_one_line("settings.X"),
        ):
            raise error
        with pytest.raises(kind, match=line), in_one_line("settings.X"):
            raise error


def test_missing_extra_inside_a_command_has_its_name() -> None:
    """What a part of a command says is put behind the command."""
    error = MissingExtraError("serving pages needs the extra web")

    assert lacking("pipeline up", error) == f"pipeline up: {error}"


def _imported() -> set[str]:
    found: set[str] = set()
    for package in _OWN:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    found |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    found.add(node.module.partition(".")[0])
    return found
