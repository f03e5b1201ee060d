"""One notification becomes its own message, several become a digest; titles are one line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobs.notifications.event import Event, Kind
from jobs.notifications.message import compose, one_line


def _event(kind: Kind, title: str = "Title", body: str = "Body") -> Event:
    return Event(f"key:{title}", kind, None, title, body)


def test_single_event_is_its_own_message() -> None:
    """Its key, title and body are those of the event."""
    message = compose("m1", [_event(Kind.QUIET)])
    assert (message.key, message.title, message.body) == ("key:Title", "Title", "Body")


def test_several_keep_their_order_under_a_headline() -> None:
    """The title counts them by kind; the body has each title and body."""
    notices = [
        _event(Kind.JOB_DIED, "A"),
        _event(Kind.MILESTONE, "B"),
        _event(Kind.MILESTONE, "C", ""),
    ]
    message = compose("m1", notices)
    assert message.key == "digest:m1"
    assert message.title == "2 milestones, 1 dead job"
    assert message.body == "A\nBody\n\nB\nBody\n\nC"


def test_kinds_of_an_older_program_are_counted_too() -> None:
    """An unknown kind, recorded by another version, does not block the others."""
    notices = [_event(Kind.QUIET), Event("k", "bygone", None, "Old", "")]  # type: ignore[arg-type]  # as the store gives it
    assert compose("m1", notices).title == "1 quiet channel, 1 more"


@given(st.text())
def test_title_is_one_printable_line(text: str) -> None:
    """No channel name can inject a mail header."""
    line = one_line(text)
    assert len(line) <= 150
    assert line == " ".join(line.split())
    assert not any(ord(one) < 32 or one in "\x7f\x85\u2028\u2029" for one in line)
