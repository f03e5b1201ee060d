"""
Reporters pass on job failures, one file each.

`FanOut` (fan_out.py) sends each failure to all of them in the background.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from runner.codec import ErrorRecord
from runner.redaction import hiding

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Failure:
    """
    One failed attempt.

    arguments: by name, as JSON values, with secrets redacted (see `runner.redaction`).
    final: no attempt will follow; the job goes to the dead set.
    exception: as it was raised: its text may quote secrets, and its frames hold them.
    hidden: the texts among the arguments whose names sound like secrets.
    """

    exception: BaseException
    job_name: str
    job_id: str
    queue: str
    attempt: int
    final: bool
    arguments: Mapping[str, Any] = field(default_factory=dict)
    hidden: tuple[str, ...] = field(default=(), repr=False)

    @property
    def error(self) -> ErrorRecord:
        """The exception as it may be shown: type, message and traceback, without secrets."""
        with hiding(self.hidden):
            return ErrorRecord.of(self.exception)


class Reporter(Protocol):
    """Passes failures on. It may be slow or fail without harm to any job."""

    async def report(self, failure: Failure, /) -> None:
        """Pass *failure* on; raise if that did not work."""
        ...


@runtime_checkable
class ClosableReporter(Reporter, Protocol):
    """A reporter that holds a connection or unsent failures."""

    async def close(self) -> None:
        """Send waiting failures, then release all resources."""
        ...
