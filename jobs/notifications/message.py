"""Join one or several notifications into one plain-text message. Pure."""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from jobs.notifications.event import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST_TITLE = 150

_PLURAL = {
    Kind.MILESTONE: ("milestone", "milestones"),
    Kind.UNUSUAL: ("unusual day", "unusual days"),
    Kind.QUIET: ("quiet channel", "quiet channels"),
    Kind.SOURCE_FAILING: ("failing source", "failing sources"),
    Kind.REPORT_READY: ("report ready", "reports ready"),
    Kind.JOB_DIED: ("dead job", "dead jobs"),
    Kind.TEST: ("test", "tests"),
}


class Notice(Protocol):
    """A part of a message: an event, or a delivery from the store."""

    @property
    def key(self) -> str:
        """Its identity."""
        ...

    @property
    def kind(self) -> str:
        """What it is about."""
        ...

    @property
    def title(self) -> str:
        """One line."""
        ...

    @property
    def body(self) -> str:
        """Plain text."""
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """*key* is that of the single event or of the digest; *events* are all in the message."""

    key: str
    title: str
    body: str
    events: Sequence[Notice]


def compose(message_id: str, notices: Sequence[Notice]) -> Message:
    """
    Join *notices* (at least one) into a message, in their order.

    Each title becomes one printable line, because it ends up in mail headers and the like.
    """
    if len(notices) == 1:
        (only,) = notices
        return Message(only.key, one_line(only.title), only.body, notices)
    parts = [f"{one_line(one.title)}\n{one.body}".strip() for one in notices]
    return Message(f"digest:{message_id}", _headline(notices), "\n\n".join(parts), notices)


def one_line(text: str) -> str:
    """Return *text* as one line without control characters, cut at 150 characters."""
    printable = (" " if unicodedata.category(one)[0] in "CZ" else one for one in text)
    line = " ".join("".join(printable).split())
    return line if len(line) <= _LONGEST_TITLE else f"{line[: _LONGEST_TITLE - 1]}…"


def _headline(notices: Sequence[Notice]) -> str:
    """Return the counts by kind, in the order of `Kind`: “2 milestones, 1 dead job”."""
    counts = Counter(one.kind for one in notices)
    known = [(counts.pop(kind), _PLURAL[kind]) for kind in Kind if kind in counts]
    parts = [f"{count} {one if count == 1 else many}" for count, (one, many) in known]
    if others := counts.total():
        parts.append(f"{others} more")
    return ", ".join(parts)
