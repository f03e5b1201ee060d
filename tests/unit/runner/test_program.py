"""`pipeline`: one program for every application, and what it imports before it must."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from runner import App
from runner.commands.lazy import LazyCommand
from runner.commands.run_command import run_command, run_service
from runner.program import Program

if TYPE_CHECKING:
    from collections.abc import Callable

_PIPELINE = Path(sys.executable).with_name("pipeline")

_SHOP = """
import click
from runner import App
from runner.commands.lazy import LazyCommand

print("a module that prints while it is imported")

@click.command
@click.pass_obj
def stock(app):
    "Count what is on the shelves."
    click.echo(f"{app.summary} {sorted(app.names('queue'))}")

app = App(
    commands=[stock, LazyCommand("open", "shop_commands:open_", "Open the shop.")],
    summary="Sell things.",
)
"""
_COMMANDS = """
import click

@click.command("open")
def open_():
    "Open the shop."
    click.echo("open")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with an application."""
    (tmp_path / "shop.py").write_text(_SHOP)
    (tmp_path / "shop_commands.py").write_text(_COMMANDS)
    return tmp_path


@pytest.fixture
def pipeline(folder: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return what runs `pipeline` in that folder."""

    def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **variables}
        return subprocess.run(
            [_PIPELINE, *words],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_table_says_of_each_command_what_its_help_says() -> None:
    """The table is read instead of the commands, so it must not say anything else."""
    program = Program()
    context = click.Context(program)
    shown = dict(program._rows(context))
    assert shown.keys() == set(program.list_commands(context))
    for name, said in shown.items():
        command = program.get_command(context, name)
        assert command is not None, name
        assert (command.name, command.get_short_help_str(200)) == (name, said)


_PRINT_IMPORTED = """
import json, sys
from runner import start
sys.argv = ["pipeline", *sys.argv[1:]]
try:
    start.main()
finally:
    print("\\n" + json.dumps(sorted(sys.modules)))
"""


@pytest.mark.parametrize("words", [["--version"], ["--help"]])
def test_version_and_help_import_next_to_nothing(words: list[str], tmp_path: Path) -> None:
    """Neither Redis, nor pydantic, nor any command."""
    ran = subprocess.run(
        [sys.executable, "-c", _PRINT_IMPORTED, *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    loaded = set(json.loads(ran.stdout.splitlines()[-1]))
    assert not loaded & {
        "redis",
        "pydantic",
        "pydantic_core",
        "structlog",
        "arq",
        "asyncio",
        "jobs",
    }
    assert {one for one in loaded if one.startswith("runner.commands.")} == {
        "runner.commands.lazy",
        "runner.commands.run_command",
    }


def test_commands_of_the_application_stand_beside_those_of_the_runner(
    pipeline: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """They get the application as their object, and take the common options."""
    shown = pipeline("--app", "shop:app", "--help").stdout
    assert "Sell things." in shown
    assert shown.index("stock  Count what is on the shelves.") < shown.index("up  ")
    assert pipeline("stock", "--app", "shop:app").stdout.endswith("Sell things. []\n")
    opened = pipeline("open", "--debug", PIPELINE_APP="shop:app")
    assert (opened.returncode, opened.stdout.splitlines()[-1]) == (0, "open")
    unknown = pipeline("close", PIPELINE_APP="shop:app")
    assert unknown.stderr.startswith("pipeline: No such command 'close'")


def test_application_that_is_broken_leaves_the_help_of_the_runner(
    pipeline: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """Help says what is wrong; a command that needs it says the same in one line."""
    shown = pipeline("--app", "nowhere:app", "--help")
    assert shown.returncode == 0
    assert "there is no module nowhere" in " ".join(shown.stdout.split())
    assert "  dead " in shown.stdout
    for words in (["dead", "list"], ["open"]):
        refused = pipeline(*words, "--app", "nowhere:app")
        assert (refused.returncode, refused.stdout) == (2, "")
        [line] = refused.stderr.splitlines()
        assert line.startswith("pipeline: --app nowhere:app: there is no module nowhere")
    traced = pipeline("dead", "list", "--app", "nowhere:app", "--debug")
    assert "Traceback" in traced.stderr


def test_command_that_the_runner_has_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which of two is meant must not be a matter of luck."""
    program = Program()
    shop = App(commands=[LazyCommand("dead", "shop:dead", "Bury somebody.")])
    monkeypatch.setattr(program.found, "app", lambda: shop)
    assert run_command(program, ["other"], expected=shop.expected_errors) == 2
    assert capsys.readouterr().err.startswith(
        "pipeline: the application has a command 'dead', and so has the runner: "
    )


@pytest.mark.parametrize(
    ("line", "at", "offered"),
    [
        ("pipeline --app shop : app st", 5, ["plain,stock"]),
        ("pipeline --app = shop : app o", 6, ["plain,open"]),
        ("pipeline sched", 1, ["plain,scheduled", "plain,schedules"]),
        ("pipeline --app nowhere : app sched", 5, ["plain,scheduled", "plain,schedules"]),
        ("pipeline --app nowhere : app worker m", 6, []),
        ("pipeline --app shop : app worker m", 6, []),
    ],
)
def test_bash_is_answered_without_a_word_too_many(
    pipeline: Callable[..., subprocess.CompletedProcess[str]],
    line: str,
    at: int,
    offered: list[str],
) -> None:
    """Bash splits at colons; what cannot be found completes to nothing, without a traceback."""
    answered = pipeline(_PIPELINE_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(at))
    assert answered.stderr == ""
    assert answered.stdout.split() == offered


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_signal_stops_a_service_though_a_library_loses_the_cancellation(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever stops it sends no second one."""
    # As in a new process, whatever tests before this one, or their runner, have set.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    async def serve() -> None:
        signal.raise_signal(number)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(60)

    try:
        run_service(serve())
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err == "pipeline: stopped while it started\n"
