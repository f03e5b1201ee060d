"""The fast way to write log lines writes what the slow one does."""

from __future__ import annotations

import io
import json
import logging
import re
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from runner.telemetry.fast_lines import FastLogger, FastRecord
from runner.telemetry.logs import LogFormat, configure_logging

if TYPE_CHECKING:
    from collections.abc import Iterator

FIELDS: dict[str, Any] = {
    "duration_ms": 1.5,
    "error": "ValueError",
    "message": "a = 'b'\n\"c\"",
    "missing": None,
    "name_of_it": "Ünal 漢字 🙂",
}


@pytest.fixture(autouse=True)
def _bound() -> Iterator[None]:
    """Bind what a running job has bound; undo all configuration afterwards."""
    root = logging.getLogger()
    before = root.handlers[:]
    with structlog.contextvars.bound_contextvars(job_id="a b", job_name="x", attempt=2):
        yield
    root.handlers[:] = before
    structlog.reset_defaults()


def _configure(way: LogFormat) -> tuple[io.StringIO, logging.Handler]:
    """Let our handler be the only one, as in a worker; pytest has two more."""
    stream = io.StringIO()
    logging.getLogger().handlers.clear()
    configure_logging(way, "INFO", colors=False, stream=stream)
    [handler] = logging.getLogger().handlers
    return stream, handler


def _lines(way: LogFormat) -> tuple[str, str]:
    stream, _ = _configure(way)
    FastLogger("runner.job").log(logging.WARNING, "job failed", **FIELDS)
    structlog.stdlib.get_logger("runner.job").warning("job failed", **FIELDS)
    short, long = stream.getvalue().splitlines()
    return short, long


def test_fast_line_for_people_is_the_same() -> None:
    """Nobody, and no parser, can see which way a line came."""
    short, long = (re.sub(r"^\S+Z", "", line) for line in _lines("console"))
    assert short == long


def test_fast_line_for_machines_has_the_same_fields() -> None:
    """One JSON object with the same fields; only the time differs."""
    short, long = (json.loads(line) for line in _lines("json"))
    time = short.pop("timestamp"), long.pop("timestamp")
    assert short == long
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", one) for one in time)


def test_handlers_of_others_get_a_record_with_everything(caplog: pytest.LogCaptureFixture) -> None:
    """An error tracker that collects records finds the event and its fields."""
    _configure("json")
    logging.getLogger().addHandler(caplog.handler)
    with caplog.at_level(logging.INFO, "runner.job"):
        FastLogger("runner.job").log(logging.INFO, "job done", duration_ms=1.5)
    [record] = caplog.records
    assert isinstance(record, FastRecord)
    assert (record.name, record.levelname, record.msg) == ("runner.job", "INFO", "job done")
    assert record.getMessage() == "job done attempt=2 duration_ms=1.5 job_id='a b' job_name=x"


def _note(record: logging.LogRecord) -> bool:
    record.event = "noted"
    return True


def _drop(_: logging.LogRecord) -> bool:
    return False


@pytest.mark.parametrize(("keeps", "written"), [(_note, ["noted"]), (_drop, [])])
@pytest.mark.parametrize("of_handler", [False, True])
def test_filters_of_others_see_each_line(
    keeps: Any, written: list[str], *, of_handler: bool
) -> None:
    """What an application filters, or adds to a line, counts for these lines, too."""
    stream, handler = _configure("json")
    logger = logging.getLogger("runner.job")
    target: Any = handler if of_handler else logger
    target.addFilter(keeps)
    try:
        FastLogger("runner.job").log(logging.INFO, "job done")
    finally:
        target.removeFilter(keeps)
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == written


def test_handler_with_a_higher_level_does_not_get_the_line() -> None:
    """A level that somebody has given the handler counts."""
    stream, handler = _configure("json")
    handler.setLevel(logging.ERROR)
    FastLogger("runner.job").log(logging.INFO, "job done")
    FastLogger("runner.job").log(logging.ERROR, "job failed")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["job failed"]


def test_line_that_cannot_be_written_harms_no_job(capsys: pytest.CaptureFixture[str]) -> None:
    """A closed stream costs the line, and standard error says so as it does of every line."""
    stream, _ = _configure("json")
    stream.close()
    FastLogger("runner.job").log(logging.INFO, "job done")
    assert "Message: 'job done'" in capsys.readouterr().err


def test_structlog_configured_by_others_gets_the_lines() -> None:
    """An application that configured structlog itself finds the lines where it wants them."""
    _configure("json")
    with structlog.testing.capture_logs() as captured:
        FastLogger("runner.job").log(logging.INFO, "job done", duration_ms=1.5)
    [line] = captured
    assert (line["event"], line["duration_ms"]) == ("job done", 1.5)
