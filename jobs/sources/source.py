"""
A source, and the errors of one that cannot be read.

A *source* is one file, address or generated set, read and understood: it knows its channels
and gives all it holds of each. Its callers need not know its format.

    SourceError              a source cannot be read; one line: what, where, what to do
    └── UnrecognisedError    it is no source at all (a README among the data, a picture …)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from jobs.channel.addresses import without_secrets
from jobs.channel.text import unbroken
from runner.redaction import scrubbed
from runner.visible import visible

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from jobs.channel.records import ChannelReading, ChannelRecord, Reject, SourceRef

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def is_address(location: str) -> bool:
    """Whether *location* is an address of any scheme, and not a path."""
    return _SCHEME.match(location) is not None


def shown(location: str) -> str:
    """Return *location* as people may see it: an address keeps its user and loses its secrets."""
    return without_secrets(location) if is_address(location) else scrubbed(location)


class SourceError(Exception):
    """
    A source cannot be read. The message is one line that names it; passwords are left out.

    transient: the source may well be readable later (a server that is down or too slow), so
    trying again makes sense, after *retry_after_s* if the server said so.
    """

    def __init__(
        self,
        location: str,
        reason: str,
        remedy: str = "",
        *,
        transient: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        # It stays as it is, to name the very file.
        self.location = shown(location)
        parts = [f"{visible(self.location)}: {unbroken(reason)}", unbroken(remedy)]
        super().__init__(" ".join(". ".join(part for part in parts if part).split()))
        self.reason = unbroken(reason)
        self.remedy = remedy
        self.transient = transient
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle it whole: sources are read in other processes."""
        return _error, (type(self), self.args, vars(self))


def _error(
    kind: type[SourceError], args: tuple[object, ...], fields: dict[str, object]
) -> SourceError:
    error = kind.__new__(kind, *args)
    vars(error).update(fields)
    return error


class UnrecognisedError(SourceError):
    """It can be read, but no source is made of it."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file in a folder that is no source and does not claim to be one, and why."""

    location: str
    reason: str


class Source(Protocol):
    """One source, read and understood. It never changes afterwards, so it may be shared."""

    @property
    def ref(self) -> SourceRef:
        """What opens it again, in another process too: locations of files are absolute."""
        ...

    @property
    def rejects(self) -> Sequence[Reject]:
        """Every row or entry that could not be used, in the order of the document."""
        ...

    @property
    def observed_at(self) -> datetime | None:
        """The newest observation in it; of several recordings of a channel the latest counts."""
        ...

    def describe(self) -> str:
        """Describe in one line what it is and how much it holds."""
        ...

    def channels(self) -> Sequence[ChannelRecord]:
        """Return every channel in it, in the order of the document."""
        ...

    def read(self, channel_id: str) -> ChannelReading:
        """
        Return all it holds of one channel.

        Raises:
            SourceError: It does not know the channel.
        """
        ...
