"""Failures as structured log lines, with their traceback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from runner.reporters import Failure

_log = structlog.stdlib.get_logger("runner.reporters.log")


class LogReporter:
    """An error for a job that goes to the dead set, a warning for one that will be retried."""

    async def report(self, failure: Failure, /) -> None:
        """Log *failure*. The fields are given: it is not logged in the job's own context."""
        tell = _log.error if failure.final else _log.warning
        tell(
            "job died" if failure.final else "job will be retried",
            job_id=failure.job_id,
            job_name=failure.job_name,
            queue=failure.queue,
            attempt=failure.attempt,
            arguments=failure.arguments,
            exc_info=failure.exception,
        )
