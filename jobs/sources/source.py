"""
What a source is, and how it says that it cannot be read.

A *source* is one file, address or generated set, read and understood: it knows its channels
and gives, per channel, all it says of it. Whoever reads it need not know its format.

    SourceError              a source cannot be read; one line: what, where, what to do
    └── UnrecognisedError    it is no source at all (a README among the data, a picture …)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from jobs.sources.location import shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from jobs.channel.records import ChannelReading, ChannelRecord, Reject, SourceRef


class SourceError(Exception):
    """
    A source cannot be read. The message is one line that names it; passwords are left out.

    *transient* says that the same source may well be readable later (a server that is down or
    too slow), so that trying again makes sense; after *retry_after_s*, where it said so itself.
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
        parts = [f"{shown(location)}: {reason}", remedy]
        super().__init__(" ".join(". ".join(part for part in parts if part).split()))
        self.location = shown(location)
        self.reason = reason
        self.remedy = remedy
        self.transient = transient
        self.retry_after_s = retry_after_s


class UnrecognisedError(SourceError):
    """It can be read, but is nothing that a source is made of."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file in a folder that is no source and does not pretend to be one, and why."""

    location: str
    reason: str


class Source(Protocol):
    """One source, read and understood. It is never changed afterwards, so it may be shared."""

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
        """The newest observation in it; among recordings of one channel the latest one rules."""
        ...

    def describe(self) -> str:
        """Say in one line what it is and how much it holds."""
        ...

    def channels(self) -> Sequence[ChannelRecord]:
        """Return every channel it knows something of, in the order of the document."""
        ...

    def read(self, channel_id: str) -> ChannelReading:
        """
        Return all it says of one channel.

        Raises:
            SourceError: It does not know the channel.
        """
        ...
