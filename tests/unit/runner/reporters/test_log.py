"""Failures in the log."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from runner.reporters.log import LogReporter

if TYPE_CHECKING:
    from runner.reporters import Failure


async def test_log_reporter_gives_the_whole_failure(failure: Failure) -> None:
    """One line with the job, its arguments and the exception; an error if the job died."""
    with structlog.testing.capture_logs() as lines:
        await LogReporter().report(failure)
        await LogReporter().report(replace(failure, final=False))

    assert [(line["log_level"], line["event"]) for line in lines] == [
        ("error", "job died"),
        ("warning", "job will be retried"),
    ]
    assert lines[0]["exception"] == failure.error.traceback.rstrip()
    assert "LookupError: no such channel" in lines[0]["exception"]
    assert "exc_info" not in lines[0]  # whoever renders it could show local variables
    assert (lines[0]["job_id"], lines[0]["arguments"]) == ("j1", {"channel_id": "UC1"})
