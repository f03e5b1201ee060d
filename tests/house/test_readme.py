"""The commands in the README exist."""

from __future__ import annotations

import importlib
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from runner.commands.run_command import run_command
from runner.program import cli

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"

_FENCED = re.compile(r"^( *)(`{3,}|~{3,})([^\n]*)\n(.*?)^\1\2", re.MULTILINE | re.DOTALL)
_SHELLS = {"", "bash", "console", "sh", "shell", "text"}
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_COMMAND_ENDS = {"|", "||", "&", "&&", ";", ">", ">>", "<", "2>"}


def test_readme_is_what_the_package_shows() -> None:
    """The README is the package's description."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert README.is_file()
    assert project.get("readme") == README.name


def test_readme_make_targets_exist() -> None:
    """Every `make` target in the README, in a block or in a line, is in the Makefile."""
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        word
        for command in _commands("make", spans=True)
        for word in command[1:]
        if re.fullmatch(r"[a-z][\w-]*", word)
    }

    assert {"run", "test"} <= named
    assert named - targets == set()


def test_readme_pipeline_commands_exist(capsys: pytest.CaptureFixture[str]) -> None:
    """Every `pipeline` command in a block of the README exists, with all its options."""
    commands = _commands("pipeline")
    wrong = [
        f"{shlex.join(command)}: {capsys.readouterr().err.strip()}"
        for command in commands
        if run_command(cli, [*command[1:], "--help"], expected=tuple) != 0
    ]

    assert commands, "the README shows no `pipeline` command"
    assert wrong == []


def test_readme_arq_settings_exist() -> None:
    """Every class passed to `arq` in the README can be imported."""
    named = {command[1] for command in _commands("arq") if len(command) > 1}
    for name in sorted(named):
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "```sh\n$ pipeline run a.csv --json | jq .\n```\n",
            [["pipeline", "run", "a.csv", "--json"]],
        ),
        ("```\nA=1 .venv/bin/pipeline up  # all of it\n```\n", [["pipeline", "up"]]),
        ("```sh\npipeline run a.csv \\\n  --json\n```\n", [["pipeline", "run", "a.csv", "--json"]]),
        ("```python\npipeline = 1\n```\n", []),
        ("pipeline run is a command\n", []),
    ],
)
def test_commands_are_read_as_a_shell_would(text: str, expected: list[list[str]]) -> None:
    """Prompts, assignments, paths, comments and pipes are not part of a command."""
    assert _commands_in(text, "pipeline", spans=False) == expected


def _commands(program: str, *, spans: bool = False) -> list[list[str]]:
    return _commands_in(README.read_text(encoding="utf-8"), program, spans=spans)


def _commands_in(text: str, program: str, *, spans: bool) -> list[list[str]]:
    lines: list[str] = []
    for block in _FENCED.finditer(text):
        if block.group(3).strip() in _SHELLS:
            lines += block.group(4).replace("\\\n", " ").splitlines()
    if spans:
        lines += _SPAN.findall(_FENCED.sub("", text))
    found = [_command(line, program) for line in lines]
    return [command for command in found if command]


def _command(line: str, program: str) -> list[str]:
    """Return the words of *line* if it calls *program*, else nothing."""
    try:
        words = shlex.split(line.strip().removeprefix("$ "), comments=True)
    except ValueError:
        return []
    while words and re.fullmatch(r"[A-Z_][A-Z0-9_]*=.*", words[0]):
        del words[0]
    end = next((i for i, word in enumerate(words) if word in _COMMAND_ENDS), len(words))
    if not words or Path(words[0]).name != program:
        return []
    return [program, *words[1:end]]
