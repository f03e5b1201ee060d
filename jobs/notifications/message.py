"""One notification, or several that are told together, as one message of plain text. Pure."""

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


class Told(Protocol):
    """What a message is made of: an event, or a delivery of the store."""

    @property
    def key(self) -> str:
        """What names it."""
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
    """*key* is that of the event, or of the digest; *events* are all that it tells."""

    key: str
    title: str
    body: str
    events: Sequence[Told]


def compose(message_id: str, told: Sequence[Told]) -> Message:
    """
    Make one message of *told*, which is not empty, in their order.

    A title becomes one printable line, for it ends up in mail headers and the like.
    """
    if len(told) == 1:
        (only,) = told
        return Message(only.key, one_line(only.title), only.body, told)
    parts = [f"{one_line(one.title)}\n{one.body}".strip() for one in told]
    return Message(f"digest:{message_id}", _headline(told), "\n\n".join(parts), told)


def one_line(text: str) -> str:
    """Give *text* without control characters and line breaks, cut at a bearable length."""
    printable = (" " if unicodedata.category(one)[0] in "CZ" else one for one in text)
    line = " ".join("".join(printable).split())
    return line if len(line) <= _LONGEST_TITLE else f"{line[: _LONGEST_TITLE - 1]}…"


def _headline(told: Sequence[Told]) -> str:
    """Counts by kind, in the order of the kinds: “2 milestones, 1 dead job”."""
    counts = Counter(one.kind for one in told)
    known = [(counts.pop(kind), _PLURAL[kind]) for kind in Kind if kind in counts]
    parts = [f"{count} {one if count == 1 else many}" for count, (one, many) in known]
    if others := counts.total():
        parts.append(f"{others} more")
    return ", ".join(parts)
