"""Log failures as structured lines with their traceback."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

import structlog

from runner.codec import ErrorRecord

if TYPE_CHECKING:
    from runner.reporters import Failure

_log = structlog.stdlib.get_logger("runner.reporters.log")


class LogReporter:
    """Logs an error for a job that goes to the dead set, a warning for one that will be retried."""

    async def report(self, failure: Failure, /) -> None:
        """Log *failure*, with the job's fields: the job's log context is not active here."""
        error = failure.exception
        fields: dict[str, Any] = {"exc_info": error}
        if not _can_be_printed(error):
            record = ErrorRecord.of(error)
            fields = {"error": record.error, "message": record.message, "frames": record.traceback}
        log = _log.error if failure.final else _log.warning
        log(
            "job died" if failure.final else "job will be retried",
            job_id=failure.job_id,
            job_name=failure.job_name,
            queue=failure.queue,
            attempt=failure.attempt,
            arguments=failure.arguments,
            **fields,
        )


def _can_be_printed(error: BaseException) -> bool:
    """Whether the logging library can: what an exception's own code raises would lose the line."""
    try:
        traceback.format_exception(error, limit=1)
    except BaseException:  # noqa: BLE001 -- a job's own code may do anything
        return False
    return True
