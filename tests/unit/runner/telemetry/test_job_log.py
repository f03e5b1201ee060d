"""The last lines of an attempt."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from runner.telemetry.job_log import LOGGER_NAME, KeepLines, running
from runner.telemetry.logs import configure_logging

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def attempt() -> Iterator[Any]:
    """Return a running attempt."""
    one = SimpleNamespace(lines=None)
    token = running.set(one)
    yield one
    running.reset(token)


@pytest.fixture
def log() -> Iterator[Any]:
    """Return a logger that keeps three lines of a job."""
    structlog.configure(processors=[KeepLines(3), structlog.processors.KeyValueRenderer()])
    yield structlog.get_logger()
    structlog.reset_defaults()


def test_lines_are_kept_with_the_attempt_the_last_ones_only(attempt: Any, log: Any) -> None:
    """However much a job logs, its attempt stays small."""
    for number in range(10):
        log.info("page read", number=number)

    assert list(attempt.lines) == [f"page read number={number}" for number in (7, 8, 9)]


def test_lines_hide_secrets_and_stay_one_line(attempt: Any, log: Any) -> None:
    """Values of secret names are not kept, and a line break does not start another line."""
    log.info("signed\nin", api_key="s3cret", text="x" * 2000)

    assert "s3cret" not in attempt.lines[0]
    assert attempt.lines[0].startswith("signed in")
    assert len(attempt.lines[0]) == 500


def test_lines_about_start_and_end_are_not_kept(attempt: Any, log: Any) -> None:
    """That the job started and ended is known without a log."""
    log.info("job started", logger=LOGGER_NAME)

    assert attempt.lines is None


def test_lines_outside_of_jobs_are_not_kept(log: Any) -> None:
    """A worker's own lines belong to no attempt."""
    log.info("worker started")

    assert running.get() is None


def test_configured_logging_keeps_lines_where_asked(
    attempt: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lines of the standard library count, too, and are still shown."""
    import logging

    configure_logging("json", "INFO", job_lines=2)
    try:
        logging.getLogger("jobs.sync").warning("slow %s", "feed")
        assert "slow feed" in attempt.lines[0]
        assert "slow feed" in capsys.readouterr().err
    finally:
        logging.getLogger().handlers = []
        structlog.reset_defaults()
