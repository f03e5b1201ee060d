"""One renderer for all log lines, whichever library logs them."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import os
import sys
import warnings
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from arq.logs import default_log_config

from runner.errors import ConfigurationError
from runner.telemetry.logs import LogFormat, LogThrottle, configure_logging
from tests.odd_values import ERRORS, WITHOUT_JSON

if TYPE_CHECKING:
    from collections.abc import Iterator

LOGGERS = ("", "arq", "uvicorn", "uvicorn.access", "uvicorn.error", "httpx", "py.warnings")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(one, one.level, one.handlers[:], one.propagate) for one in loggers]
    yield
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    for one, level, handlers, propagate in before:
        one.setLevel(level)
        one.handlers[:] = handlers
        one.propagate = propagate


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _fail() -> None:
    password = "".join(reversed("2retnuh"))
    try:
        _ = os.environ[password[8:]]
    except KeyError as error:
        raise ValueError("bad") from error


def _lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_logger_with_a_console_of_its_own_is_not_written_twice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As Django's is with DEBUG=True; what it writes elsewhere, and alone, stays."""
    elsewhere, alone = logging.StreamHandler(io.StringIO()), logging.StreamHandler(sys.stderr)
    twin, apart = logging.getLogger("twin"), logging.getLogger("apart")
    twin.handlers[:] = [logging.StreamHandler(sys.stderr), elsewhere]
    apart.handlers[:], apart.propagate = [alone], False
    try:
        configure_logging("console")
        twin.warning("said once")
        apart.warning("said by itself")
        assert (twin.handlers, apart.handlers) == ([elsewhere], [alone])
        said = capsys.readouterr().err
        assert len([line for line in said.splitlines() if "said once" in line]) == 1
        assert said.count("said by itself") == 1
    finally:
        twin.handlers.clear()
        apart.handlers.clear()
        apart.propagate = True


def test_json_lines_of_structlog_and_of_logging_look_alike() -> None:
    """Records of arq and uvicorn have the same fields as ours, the job's included."""
    stream = io.StringIO()
    configure_logging("json", stream=stream)

    with structlog.contextvars.bound_contextvars(job_id="j1"):
        structlog.get_logger("runner.job").info("job done", duration_ms=1.5)
        logging.getLogger("arq.worker").info("recording health: %s", "j_complete=0")
        logging.getLogger("uvicorn.error").info(
            "Started", extra={"color_message": "\x1b[36mStarted", "pid": 7}
        )

    ours, arqs, uvicorns = _lines(stream)
    assert ours == {
        "event": "job done",
        "duration_ms": 1.5,
        "job_id": "j1",
        "logger": "runner.job",
        "level": "info",
        "timestamp": ours["timestamp"],
    }
    assert (arqs["event"], arqs["logger"]) == ("recording health: j_complete=0", "arq.worker")
    assert (uvicorns["event"], uvicorns["pid"]) == ("Started", 7)
    assert "color_message" not in uvicorns
    assert arqs["job_id"] == uvicorns["job_id"] == "j1"
    logged_at = datetime.fromisoformat(ours["timestamp"])
    assert logged_at.utcoffset() == datetime.now(UTC).utcoffset()


def test_json_exceptions_are_data_without_local_variables() -> None:
    """Type, value and frames, but not what variables held."""
    stream = io.StringIO()
    configure_logging("json", stream=stream)

    for log in (structlog.get_logger("ours"), logging.getLogger("theirs")):
        try:
            _fail()
        except ValueError:
            log.exception("it failed")

    for line in _lines(stream):
        outer, cause = line["exception"]
        assert (outer["exc_type"], outer["exc_value"]) == ("ValueError", "bad")
        assert cause["exc_type"] == "KeyError"
        assert outer["frames"][-1]["filename"] == __file__
    assert "hunter2" not in stream.getvalue()


def test_console_exceptions_are_readable_without_local_variables() -> None:
    """A traceback as Python prints it."""
    stream = io.StringIO()
    configure_logging("console", stream=stream)

    try:
        _fail()
    except ValueError:
        structlog.get_logger().exception("it failed")

    assert "Traceback (most recent call last):" in stream.getvalue()
    assert stream.getvalue().endswith("ValueError: bad\n")
    assert "hunter2" not in stream.getvalue()


def test_console_has_colours_on_a_terminal_only() -> None:
    """Lines that go into a file or a pipe are plain text."""
    plain, terminal, asked_not_to = io.StringIO(), _Terminal(), _Terminal()
    for stream, colors in ((plain, None), (terminal, None), (asked_not_to, False)):
        configure_logging("console", stream=stream, colors=colors)
        structlog.get_logger().info("hello", job_id="j1")

    assert "\x1b" in terminal.getvalue()
    for stream in (plain, asked_not_to):
        assert "\x1b" not in stream.getvalue()
        assert "hello" in stream.getvalue()
        assert "job_id=j1" in stream.getvalue()


def test_lines_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output is for results, such as those of --json."""
    configure_logging("json")
    structlog.get_logger().info("hello")

    captured = capsys.readouterr()
    assert captured.out == ""
    assert json.loads(captured.err)["event"] == "hello"


def test_level_holds_for_all() -> None:
    """Lines below the level are not logged, by any library; case does not matter."""
    stream = io.StringIO()
    configure_logging("json", " warning ", stream=stream)

    for log in (structlog.get_logger("ours"), logging.getLogger("theirs")):
        log.info("quiet")
        log.warning("loud")

    assert [line["event"] for line in _lines(stream)] == ["loud", "loud"]


def test_configured_again_lines_are_not_doubled() -> None:
    """Only the last configuration holds, also after arq has installed a handler."""
    first, last = io.StringIO(), io.StringIO()
    configure_logging("json", stream=first)
    log = structlog.get_logger("runner.job")
    log.info("to the first")
    logging.config.dictConfig(default_log_config(verbose=True))
    configure_logging("json", stream=last)

    log.info("to the last")
    logging.getLogger("arq.worker").info("arq's")

    assert [line["event"] for line in _lines(first)] == ["to the first"]
    assert [line["event"] for line in _lines(last)] == ["to the last", "arq's"]


def test_handlers_of_others_stay() -> None:
    """A service that also logs elsewhere keeps doing so."""
    own = logging.NullHandler()
    logging.getLogger().addHandler(own)

    configure_logging(stream=io.StringIO())

    assert own in logging.getLogger().handlers


def test_urls_that_httpx_requests_are_not_logged() -> None:
    """A webhook's URL is a secret, and httpx would log it at INFO."""
    stream = io.StringIO()
    configure_logging("json", "DEBUG", stream=stream)

    logging.getLogger("httpx").info("HTTP Request: POST https://hooks.example/s3cret")

    assert stream.getvalue() == ""


def test_warnings_are_log_lines() -> None:
    """Python's own warnings do not break a stream of JSON."""
    stream = io.StringIO()
    with warnings.catch_warnings():
        configure_logging("json", stream=stream)
        warnings.simplefilter("always")
        warnings.warn("old ways", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(capture=False)

    (line,) = _lines(stream)
    assert (line["logger"], line["level"]) == ("py.warnings", "warning")
    assert "old ways" in line["event"]


def test_what_has_no_json_form_is_logged_all_the_same() -> None:
    """Such a value is logged as its repr; letters stay letters."""
    stream = io.StringIO()
    configure_logging("json", stream=stream)

    structlog.get_logger().info("größe", odd=object, text="two\nlines")

    assert len(stream.getvalue().splitlines()) == 1
    assert "größe" in stream.getvalue()
    assert _lines(stream)[0]["odd"] == "<class 'object'>"


@pytest.mark.parametrize(("format_", "level"), [("xml", "INFO"), ("json", "LOUD"), ("json", "")])
def test_unknown_format_or_level_is_one_clear_line(format_: Any, level: str) -> None:
    """The error names the wrong value and the right ones; nothing was changed."""
    before = logging.getLogger().handlers[:]

    with pytest.raises(ConfigurationError, match=r"console|INFO"):
        configure_logging(format_, level)

    assert logging.getLogger().handlers == before


def test_log_throttle_admits_one_line_and_counts_the_rest() -> None:
    """The first line of each kind passes, those after it are held back."""
    throttle = LogThrottle(interval_s=3600)
    assert [throttle.admit("a") for _ in range(3)] == [0, None, None]
    assert throttle.admit("b") == 0


def test_log_throttle_logs_how_many_it_held_back() -> None:
    """After the interval the next line passes, with the count."""
    throttle = LogThrottle(interval_s=3600)
    for _ in range(3):
        throttle.admit()
    throttle._interval_s = 0.0
    assert throttle.admit() == 2
    assert throttle.admit() == 0


@pytest.mark.parametrize("format", ["json", "console"])
@pytest.mark.parametrize("kind", ERRORS)
def test_failure_is_logged_whatever_its_exception_says(
    format: LogFormat,  # noqa: A002 -- as `configure_logging` has it
    kind: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line with the reason, and nothing is raised, or said by `logging`, in its place."""
    stream = io.StringIO()
    logging.getLogger().handlers.clear()  # those of pytest fail at these, too
    configure_logging(format, "INFO", stream=stream, colors=False)
    structlog.get_logger("odd").error("job died", exc_info=ERRORS[kind]())

    assert "job died" in stream.getvalue()
    assert capsys.readouterr().err == ""
    if format == "json":
        [line] = stream.getvalue().splitlines()
        assert json.loads(line)["exception"]


@pytest.mark.parametrize("format", ["json", "console"])
@pytest.mark.parametrize("kind", WITHOUT_JSON)
def test_line_is_written_whatever_its_values_are(
    format: LogFormat,  # noqa: A002 -- likewise
    kind: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A job's own lines, too, have values that are hard to write down."""
    stream = io.StringIO()
    logging.getLogger().handlers.clear()  # those of pytest fail at these, too
    configure_logging(format, "INFO", stream=stream, colors=False)
    structlog.get_logger("odd").info("a line", value=WITHOUT_JSON[kind]())

    assert "a line" in stream.getvalue()
    assert capsys.readouterr().err == ""
