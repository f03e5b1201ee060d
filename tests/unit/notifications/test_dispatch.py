"""Due notifications reach each target at most once, and targets do not affect each other."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from jobs.notifications.dispatch import dispatch, give_up_unended, post
from jobs.notifications.event import Event, Kind
from jobs.notifications.sender import NotificationError, UnconfirmedError
from jobs.notifications.target import Target
from jobs.notifications.timing import QuietHours, Timing
from jobs.store import DeliveryState
from runner.periodic.crontab import Crontab

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.notifications.message import Message
    from jobs.store import ChannelStore

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@dataclass
class Recorder:
    """Records messages; raises each of its errors once."""

    errors: list[Exception] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)

    async def send(self, message: Message) -> None:
        """Record the message, or fail."""
        if self.errors:
            raise self.errors.pop(0)
        self.messages.append(message)

    @property
    def titles(self) -> list[str]:
        """Return the titles of the messages."""
        return [one.title for one in self.messages]


class Gate(Recorder):
    """Accepts messages only once it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.opened = asyncio.Event(), asyncio.Event()

    async def send(self, message: Message) -> None:
        """Wait until opened."""
        self.began.set()
        await self.opened.wait()
        await super().send(message)


def _event(name: str = "a", kind: Kind = Kind.QUIET) -> Event:
    return Event(name, kind, None, f"Title of {name}", "Body")


async def _post(store: ChannelStore, target: Target, *names: str, now: datetime = NOW) -> None:
    for name in names:
        await post(store.outbox, [target], _event(name), now)


async def _states(store: ChannelStore) -> Sequence[DeliveryState]:
    return [one.state for one in await store.outbox.deliveries()]


async def test_event_is_sent_once(store: ChannelStore) -> None:
    """An event is sent once however often it recurs: its key decides."""
    sender = Recorder()
    target = Target("mail", sender)
    for _ in range(3):
        await _post(store, target, "a")
        await dispatch(store.outbox, target, NOW)
    assert sender.titles == ["Title of a"]


async def test_target_gets_only_its_kinds(store: ChannelStore) -> None:
    """Kinds that it did not choose are not sent, except tests."""
    sender = Recorder()
    target = Target("mail", sender, kinds={Kind.MILESTONE})
    for kind in (Kind.QUIET, Kind.MILESTONE, Kind.TEST):
        await post(store.outbox, [target], _event(kind, kind), NOW)
        await dispatch(store.outbox, target, NOW)
    assert sender.titles == ["Title of milestone", "Title of test"]


async def test_refused_message_comes_again_later(store: ChannelStore) -> None:
    """A message that certainly did not arrive is sent again, after growing pauses."""
    sender = Recorder([NotificationError("down"), NotificationError("down")])
    target = Target("mail", sender)
    await _post(store, target, "a")
    assert await dispatch(store.outbox, target, NOW) == 0
    assert await dispatch(store.outbox, target, NOW + MINUTE / 2) == 0
    assert len(sender.errors) == 1, "it came too early"
    assert await dispatch(store.outbox, target, NOW + MINUTE) == 0
    assert not sender.errors
    assert await dispatch(store.outbox, target, NOW + 2 * MINUTE) == 0
    assert await dispatch(store.outbox, target, NOW + 3 * MINUTE) == 1
    assert sender.titles == ["Title of a"]


async def test_down_target_is_given_up_after_a_day(store: ChannelStore) -> None:
    """A message refused for a day fails, with the reason."""
    target = Target("mail", Recorder([NotificationError("down for good")]))
    await _post(store, target, "a")
    await dispatch(store.outbox, target, NOW + timedelta(days=1, minutes=1))
    (found,) = await store.outbox.deliveries()
    assert (found.state, found.error) == (DeliveryState.FAILED, "down for good")


@pytest.mark.parametrize("error", [UnconfirmedError("no answer"), RuntimeError("a bug")])
async def test_what_may_have_arrived_is_not_sent_again(
    store: ChannelStore, error: Exception
) -> None:
    """A message that may have arrived is never sent again."""
    sender = Recorder([error])
    target = Target("mail", sender)
    await _post(store, target, "a")
    await dispatch(store.outbox, target, NOW)
    assert await dispatch(store.outbox, target, NOW + HOUR) == 0
    assert sender.messages == []
    assert await _states(store) == [DeliveryState.UNCONFIRMED]


async def test_one_target_down_keeps_nothing_from_another(store: ChannelStore) -> None:
    """Each target has its own deliveries."""
    down, well = Target("a", Recorder([NotificationError("down")])), Target("b", Recorder())
    await post(store.outbox, [down, well], _event(), NOW)
    assert [await dispatch(store.outbox, one, NOW) for one in (down, well)] == [0, 1]


async def test_quiet_hours_hold_everything_back(store: ChannelStore) -> None:
    """Messages due before quiet hours wait too; at the end all are sent together."""
    sender = Recorder()
    timing = Timing(quiet=QuietHours.parse("12:00-13:00", "UTC"))
    target = Target("mail", sender, timing=timing)
    await _post(store, target, "a", now=NOW - MINUTE)
    await _post(store, target, "b")
    assert await dispatch(store.outbox, target, NOW) == 0
    assert await dispatch(store.outbox, target, NOW + HOUR) == 2
    assert sender.titles == ["2 quiet channels"]


async def test_digest_is_one_message_at_its_time(store: ChannelStore) -> None:
    """Events until then are sent together, and only once."""
    sender = Recorder()
    target = Target("mail", sender, timing=Timing(digest=Crontab("0 13 * * *")))
    await _post(store, target, "a", "b", "c")
    assert await dispatch(store.outbox, target, NOW + 59 * MINUTE) == 0
    assert await dispatch(store.outbox, target, NOW + HOUR) == 3
    assert await dispatch(store.outbox, target, NOW + HOUR) == 0
    assert len(sender.messages) == 1


async def test_beyond_the_limit_they_wait_and_come_together(store: ChannelStore) -> None:
    """Many events become a few messages, and no event is lost."""
    sender = Recorder()
    target = Target("mail", sender, per_hour=2)
    for number in range(30):
        await _post(store, target, f"{number:02}")
        await dispatch(store.outbox, target, NOW)
    assert len(sender.messages) == 2
    assert await dispatch(store.outbox, target, NOW + HOUR) == 28
    assert sender.titles[-1] == "28 quiet channels"


async def test_cancelled_job_notes_how_its_message_ended(store: ChannelStore) -> None:
    """A message sent before the worker's stop is recorded as sent."""
    gate = Gate()
    target = Target("mail", gate)
    await _post(store, target, "a")
    sending = asyncio.create_task(dispatch(store.outbox, target, NOW))
    await gate.began.wait()
    sending.cancel()
    gate.opened.set()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert await _states(store) == [DeliveryState.SENT]


async def test_message_of_a_dead_worker_is_unconfirmed(store: ChannelStore) -> None:
    """A claim without an outcome becomes unconfirmed after a while, and is not sent."""
    target = Target("mail", Recorder())
    await _post(store, target, "a")
    await store.outbox.claim("mail", NOW, per_hour=9, most=9, message_id="lost")
    await give_up_unended(store.outbox, NOW + MINUTE)
    assert await _states(store) == [DeliveryState.SENDING]
    await give_up_unended(store.outbox, NOW + HOUR)
    assert await _states(store) == [DeliveryState.UNCONFIRMED]
    assert await dispatch(store.outbox, target, NOW + HOUR) == 0
