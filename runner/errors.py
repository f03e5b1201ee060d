"""
All errors that the runner raises, as one tree.

    RunnerError
    ├── ConfigurationError      a setting, registration or connection string is wrong
    │   ├── AppError                the application is not found, or is put together wrongly
    │   ├── SettingsError           a setting of the deployment is wrong
    │   └── MissingExtraError       what it needs comes with an extra that is not installed
    ├── ArgumentsError          arguments do not fit the job's signature
    ├── ResultError             a job's result does not fit its signature, or has no JSON form
    ├── EnqueueError            Redis did not take the job, or did not answer in time
    │   └── DuplicateJobError       another job holds its unique key
    ├── SecretError             a sealed argument does not open
    ├── CodecError              bytes from Redis are not a job or a result of ours
    ├── UnreadableError         a key in Redis holds what is not ours
    ├── ServerAwayError         of several Redis servers, that of the queue does not answer
    ├── JobFailedError          raised by `JobHandle.result()`: the job is dead or was aborted
    │   └── JobExpiredError         it was too late to start it
    ├── ResultNotFoundError     likewise: no such job, or its result is not kept
    ├── OffloadError            a call for CPU-bound work, or its result, cannot be passed on
    │   └── OffloadDiedError    its process died, or passed one of its limits
    └── PrivateRedisError       no redis-server to start, or it did not start
        └── PrivateRedisLostError   it ran, and cannot be started again

`Bury` and `runner.retry.Retry` are signals, not errors: a job raises them to choose its own
outcome.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class RunnerError(Exception):
    """Base of all errors of the runner. The message is one line: what is wrong, and what to do."""


class ConfigurationError(RunnerError):
    """A setting, a registration or a connection string is wrong."""


class AppError(ConfigurationError):
    """The application is not found, cannot be imported, or its parts do not fit together."""


class SettingsError(ConfigurationError):
    """A setting is wrong. One line: which file or variable, what is wrong, what to do."""


class MissingExtraError(ConfigurationError):
    """What is wanted comes with an extra that is not installed; the message says which."""


class ArgumentsError(RunnerError):
    """Arguments do not fit the job's signature; nothing was enqueued or run."""

    def __init__(self, job_name: str, problem: str) -> None:
        super().__init__(f"{job_name}: {problem}")
        self.job_name = job_name
        self.problem = problem


class ResultError(RunnerError):
    """What a job returned cannot be kept: it does not fit the signature, or has no JSON form."""

    def __init__(self, job_name: str, problem: str) -> None:
        super().__init__(f"{job_name}: its result {problem}")
        self.job_name = job_name
        self.problem = problem


class EnqueueError(RunnerError):
    """
    Redis did not take the job, or did not answer in time: the message says which.

    may_be_enqueued: its answer was lost, so nobody knows. job_ids: the jobs that this is said of;
    others of the same call may be enqueued. To enqueue one again under its id adds no second one
    while the first is pending.
    """

    def __init__(
        self, message: str, *, job_ids: Sequence[str] = (), may_be_enqueued: bool = False
    ) -> None:
        super().__init__(message)
        self.job_ids = tuple(job_ids)
        self.may_be_enqueued = may_be_enqueued


class DuplicateJobError(EnqueueError):
    """
    Another job holds the unique key, and `on_conflict` is "raise". held_by: its id.

    job_ids: of several in one call, the jobs that were not enqueued; the others were.
    """

    def __init__(self, message: str, *, held_by: str, job_ids: Sequence[str] = ()) -> None:
        super().__init__(message, job_ids=job_ids)
        self.held_by = held_by


class SecretError(RunnerError):
    """
    A sealed argument does not open: its key is missing, or it was moved or changed.

    The job fails as by any other error: it is retried, and may be retried by hand once the key is
    there.
    """


class CodecError(RunnerError):
    """Bytes from Redis are not a job or a result that this runner can read."""


class ServerAwayError(RunnerError):
    """The queue is on a Redis server of its own, and that does not answer."""


class UnreadableError(RunnerError):
    """A key in Redis holds what is not ours; the message names it."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"{problem}: `pipeline doctor --repair` sets aside what is not ours")


class JobFailedError(RunnerError):
    """The job is dead or was aborted. Holds its last error: type, message, traceback."""

    def __init__(self, job_id: str, error_type: str, message: str, traceback: str = "") -> None:
        super().__init__(f"{job_id}: {error_type}: {message}")
        self.job_id = job_id
        self.error_type = error_type
        self.message = message
        self.traceback = traceback


class JobExpiredError(JobFailedError):
    """It was too late to start the job: `start_within_s` or `deadline_s` had passed."""


class ResultNotFoundError(RunnerError):
    """There is no such job, or its result is not kept, or no longer."""


class OffloadError(RunnerError):
    """A process for offloaded work died, or the call or its result cannot be pickled."""


class OffloadDiedError(OffloadError):
    """The process died during the call, or passed one of its limits; the message says why."""


class PrivateRedisError(RunnerError):
    """There is no redis-server to start, or it did not start."""


class PrivateRedisLostError(PrivateRedisError):
    """The private Redis ran, and is gone: it cannot be started again, or its files were deleted."""


def refuse(where: str, *problems: str | None) -> None:
    """
    Raise the first of *problems*, phrases of `runner.checks`, if there is one.

    Raises:
        ConfigurationError: There is one. Says *where*.
    """
    for problem in problems:
        if problem is not None:
            raise ConfigurationError(f"{where}: {problem}")


class Bury(Exception):  # noqa: N818 -- a signal, named as the imperative it is
    """Raised by a job that must not be retried: it is dead at once, for this reason."""
