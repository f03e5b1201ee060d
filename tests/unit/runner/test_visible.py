"""What a terminal gets cannot steer it, and no text passes for a line of its own."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from rich.live import Live
from rich.table import Table as RichTable
from rich.text import Text

from runner.commands.console import SafeConsole
from runner.commands.output import print_document
from runner.commands.printing import echo
from runner.commands.run_command import tell
from runner.commands.tables import Column, Facts, Lines, Remark, Table
from runner.telemetry.logs import configure_logging
from runner.visible import visible, visible_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

HOSTILE = [
    "\x1b[2J\x1b[1;31mred",
    "\x1b]0;title\x07",
    "\x1b]52;c;cHduZWQ=\x07",
    "\x1b]8;;http://evil.example\x1b\\\\link\x1b]8;;\x1b\\\\",
    "\x9b31m \x9d0;t\x9c \x90q\x9c",
    "a\rb\x08\x08c\x7f\x00",
    "ok\n2026-01-01T00:00:00Z [info     ] all is well",
    "a\u2028b\u2029c\x85d\x0be\x0cf",
    "user\u202etxt.exe\u202c \u2066x\u2069 \u200f",
    "half \ud83d of one",
]
LOGGED = [text for text in HOSTILE if "\ud83d" not in text]
"""pytest keeps log records, and its processes cannot send half a character to each other."""

STEERS = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200e\u200f\u2028\u2029\ud800-\udfff]"
)


def harmless(printed: str, *, lines: int) -> bool:
    """Whether nothing in it steers a terminal, and it has so many lines."""
    return STEERS.search(printed) is None and printed.count("\n") == lines


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_every_way_to_print_is_harmless(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Lines, errors, tables and JSON."""
    echo(text)
    assert harmless(capsys.readouterr().out, lines=1)
    tell(text)
    assert harmless(capsys.readouterr().err, lines=1)
    columns = [Column("one", str), Column(text, str, least=4)]
    for part, lines in (
        (Table(columns, [text], title=text), 4),
        (Facts({text: text}), 1),
        (Lines([text]), 1),
        (Remark("ok", "", text, [text]), 1),
    ):
        for line in part.lines(None):
            click.echo(line)
        assert harmless(capsys.readouterr().out, lines=lines)
    print_document({"a": text})
    printed = capsys.readouterr().out
    assert harmless(printed, lines=3)
    assert json.loads(printed) == {"a": text}


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_console_is_harmless_whatever_is_printed_on_it(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Strings, texts, tables, and what is drawn live."""
    console = SafeConsole(width=200)
    console.print(text)
    console.print(Text.assemble((text, "bold"), text))
    table = RichTable.grid()
    table.add_row(text, Text(text))
    console.print(table)
    with Live(Text(text), console=console, auto_refresh=False):
        pass
    printed = capsys.readouterr().out
    assert STEERS.search(printed) is None
    assert not re.search("^2026", printed, re.MULTILINE)


def test_console_reads_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    """A title in brackets is a title."""
    SafeConsole().print("[red]x[/] [/] :smile:")
    assert capsys.readouterr().out == "[red]x[/] [/] :smile:\n"


@pytest.fixture
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def _log_all(text: str) -> int:
    """Log *text* in every place that a line has; return how many lines that makes."""
    structlog.get_logger("runner").warning(text, value=text, **{text: 1})
    structlog.get_logger("runner").warning(
        "event", plain=text.replace(" ", ""), nested=[{text: text}]
    )
    structlog.get_logger("runner").warning("event", odd=_Odd(text))
    logging.getLogger(text).warning("%s", text)
    logging.getLogger("arq").warning(text)
    return 5


def _fail(text: str) -> int:
    raise ValueError(text)


class _Odd:
    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


@pytest.mark.parametrize("way", ["console", "json"])
@pytest.mark.parametrize("text", LOGGED, ids=ascii)
@pytest.mark.usefixtures("_logging_as_it_was")
def test_log_lines_are_harmless(way: Any, text: str) -> None:
    """Whatever is logged, by structlog or the standard library, one event is one line."""
    stream = io.StringIO()
    configure_logging(way, "INFO", colors=False, stream=stream)
    assert harmless(stream.getvalue(), lines=0)
    lines = _log_all(text)
    assert harmless(stream.getvalue(), lines=lines)


@pytest.mark.parametrize("text", LOGGED, ids=ascii)
@pytest.mark.usefixtures("_logging_as_it_was")
def test_no_line_of_a_traceback_looks_like_one_of_the_log(text: str) -> None:
    """They are set in; an error's message cannot forge a line."""
    stream = io.StringIO()
    configure_logging("console", "INFO", colors=False, stream=stream)
    try:
        int("x", _fail(text))
    except ValueError:
        structlog.get_logger("runner").exception("failed")
        logging.getLogger("arq").exception("failed")
    printed = stream.getvalue()
    assert STEERS.search(printed) is None
    starts = [line for line in printed.splitlines() if not line.startswith("  ")]
    assert len([line for line in starts if line.strip()]) == 2


@given(st.text())
def test_visible_text_is_one_line_and_keeps_what_is_printable(text: str) -> None:
    """Nothing is lost: what is not shown is written out."""
    shown = visible(text)
    assert harmless(shown, lines=0)
    assert harmless(visible_lines(text).replace("\t", ""), lines=text.count("\n"))
    if text.isprintable():
        assert shown == text


def test_emoji_and_scripts_stay() -> None:
    """Joiners belong to letters and pictures."""
    for text in ("👩\u200d👩\u200d👧", "क्\u200dष", "Ünïcode 漢字 🙂"):
        assert visible(text) == text


def test_commands_print_by_these_ways_only() -> None:
    """Nothing else in the commands writes to a terminal."""
    allowed = {
        "runner/commands/printing.py": {"click.echo("},
        "runner/commands/output.py": {"click.echo("},  # lines of tables, which are safe
        "runner/commands/console.py": {"Console("},
        "runner/commands/completion.py": {"click.echo("},  # a script, to be run by a shell
        "runner/commands/run_command.py": {"click.echo("},  # help, and a traceback of many lines
        "jobs/commands/report.py": {"click.echo("},  # the report itself, as it is
    }
    root = Path(sys.modules["runner"].__file__ or "").parents[1]
    for folder in ("runner/commands", "jobs/commands"):
        for path in (root / folder).rglob("*.py"):
            name = str(path.relative_to(root))
            text = path.read_text("utf-8").replace("SafeConsole(", "")
            for call in ("click.echo(", "click.secho(", "Console(", 'print("', 'print(f"'):
                if call in text and call not in allowed.get(name, set()):
                    found = [line for line in text.splitlines() if call in line]
                    assert all("console.print(" in line for line in found), f"{name}: {found}"
