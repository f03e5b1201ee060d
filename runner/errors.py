"""
Every error that the runner raises, as one tree.

    RunnerError
    ├── ConfigurationError      a setting, registration or connection string is wrong
    ├── ArgumentsError          arguments do not fit the job's signature
    ├── EnqueueError            Redis did not take the job: it is not enqueued
    ├── CodecError              bytes from Redis are not a job or a result of ours
    ├── JobFailedError          raised by `JobHandle.result()`: the job ended in the dead set
    ├── ResultNotFoundError     likewise: no such job, or its result is not kept
    ├── OffloadError            a process for CPU-bound work died, or cannot be talked to
    └── PrivateRedisError       no redis-server to start, or it did not come up

`Retry` and `Bury` are signals, not errors: a job raises them to steer its own outcome.
"""

from __future__ import annotations

import arq.worker

ArqRetry = arq.worker.Retry
"""arq's own signal: jobs and functions may raise it, too."""


class RunnerError(Exception):
    """Base of all errors of the runner. The message is one line: what, where, what to do."""


class ConfigurationError(RunnerError):
    """A setting, a registration or a connection string is wrong."""


class ArgumentsError(RunnerError):
    """Arguments do not fit the job's signature; nothing was enqueued or run."""

    def __init__(self, job_name: str, problem: str) -> None:
        super().__init__(f"{job_name}: {problem}")
        self.job_name = job_name
        self.problem = problem


class EnqueueError(RunnerError):
    """Redis did not take the job: it is not enqueued."""


class CodecError(RunnerError):
    """Bytes read from Redis are not a job or a result that this runner can read."""


class JobFailedError(RunnerError):
    """The job ended in the dead set. Its last error, as data: type, message, traceback."""

    def __init__(self, job_id: str, error_type: str, message: str, traceback: str = "") -> None:
        super().__init__(f"{job_id}: {error_type}: {message}")
        self.job_id = job_id
        self.error_type = error_type
        self.message = message
        self.traceback = traceback


class ResultNotFoundError(RunnerError):
    """There is no such job, or its result is not kept (any longer)."""


class OffloadError(RunnerError):
    """Work in a process of its own: the process died, or the call or its result cannot travel."""


class PrivateRedisError(RunnerError):
    """There is no redis-server to start, or it did not come up."""


class Retry(ArqRetry):
    """
    Raised by a job to be run again after *delay_s* seconds.

    It costs an attempt like any failure, unless *charge* is False: then the job was only
    parked (a quota that is used up, a source that asks to wait). A plain arq function may
    raise it too: there it is arq's own `Retry`.
    """

    def __init__(self, delay_s: float | None = None, *, charge: bool = True) -> None:
        super().__init__(defer=delay_s)
        self.delay_s = delay_s
        self.charge = charge


class Bury(Exception):  # noqa: N818 -- a signal, named as the imperative it is
    """Raised by a job that must not be retried: it is dead at once, and this is the reason."""
