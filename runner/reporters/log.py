"""Log failures as structured lines with their traceback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from runner.reporters import Failure

_log = structlog.stdlib.get_logger("runner.reporters.log")


class LogReporter:
    """
    Logs an error for a job that goes to the dead set, a warning for one that will be retried.

    The traceback is text without secrets and without local variables: whatever renders the line,
    and however structlog is configured, finds no more in it.
    """

    async def report(self, failure: Failure, /) -> None:
        """Log *failure*, with the job's fields: the job's log context is not active here."""
        log = _log.error if failure.final else _log.warning
        log(
            "job died" if failure.final else "job will be retried",
            job_id=failure.job_id,
            job_name=failure.job_name,
            queue=failure.queue,
            attempt=failure.attempt,
            arguments=failure.arguments,
            exception=failure.error.traceback.rstrip(),
        )
