"""Each notification is sent to each target at most once, whatever happens to its sender."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from jobs.store import DeliveryState
from tests.unit.store.samples import CHANNEL, DAY, START, notification

if TYPE_CHECKING:
    from datetime import datetime

    from jobs.store import ChannelStore, Delivery

HOUR = timedelta(hours=1)
MANY = 100


async def _record(store: ChannelStore, *keys: str, target: str = "mail") -> None:
    await store.channels.register(CHANNEL, [])
    for key in keys:
        assert await store.outbox.post(notification(key), {target: START})


async def _claim(
    store: ChannelStore, message: str = "m", *, now: datetime = START, per_hour: int = MANY
) -> list[str]:
    claimed = await store.outbox.claim(
        "mail", now, per_hour=per_hour, most=MANY, message_id=message
    )
    return [one.key for one in claimed]


async def _only(store: ChannelStore) -> Delivery:
    (found,) = await store.outbox.deliveries()
    return found


async def test_notification_is_recorded_once(store: ChannelStore) -> None:
    """The first with a key is new and is kept, however many post it at once."""
    await store.channels.register(CHANNEL, [])
    posts = (store.outbox.post(notification("k"), {"mail": START}) for _ in range(10))
    assert sorted(await asyncio.gather(*posts)) == [False] * 9 + [True]
    assert await store.outbox.notification("k") == notification("k")
    assert await store.outbox.notification("absent") is None


async def test_notification_may_be_about_no_channel(store: ChannelStore) -> None:
    """A job that died belongs to no channel, and is announced all the same."""
    assert await store.outbox.post(notification("k", None), {"mail": START})
    assert (await _only(store)).channel_id is None


async def test_notification_that_nobody_wants_is_recorded(store: ChannelStore) -> None:
    """It is recorded, and not sent later to a target that is added then."""
    assert await store.outbox.post(notification("k", None), {})
    assert not await store.outbox.post(notification("k", None), {"mail": START})
    assert await store.outbox.deliveries() == []


async def test_delivery_is_claimed_once(store: ChannelStore) -> None:
    """Of many concurrent senders, exactly one gets a due delivery."""
    await _record(store, "a", "b")
    claimed = await asyncio.gather(*(_claim(store, f"m{number}") for number in range(10)))
    assert sorted(claimed)[:-1] == [[]] * 9
    assert max(claimed) == ["a", "b"]


async def test_claimed_delivery_is_never_offered_again(store: ChannelStore) -> None:
    """If its sender dies, it becomes unconfirmed, and is not sent again."""
    await _record(store, "a")
    assert await _claim(store) == ["a"]
    assert await _claim(store, "n", now=START + DAY) == []

    assert await store.outbox.give_up_unended(START) == 0
    assert await store.outbox.give_up_unended(START + HOUR) == 1
    assert (await _only(store)).state is DeliveryState.UNCONFIRMED
    assert await _claim(store, "n", now=START + DAY) == []


async def test_delivery_waits_for_its_time(store: ChannelStore) -> None:
    """It is not sent before it is due; posting it again changes nothing."""
    await store.channels.register(CHANNEL, [])
    assert await store.outbox.post(notification("a"), {"mail": START + HOUR})
    assert not await store.outbox.post(notification("a"), {"mail": START, "chat": START})
    assert await _claim(store) == []
    assert await _claim(store, now=START + HOUR) == ["a"]
    assert len(await store.outbox.deliveries(key="a")) == 1


async def test_first_arrival_marks_the_notification(store: ChannelStore) -> None:
    """It is delivered when the first target has it, and keeps that time."""
    await store.channels.register(CHANNEL, [])
    await store.outbox.post(notification("a"), {"mail": START, "chat": START})
    await _claim(store)
    await store.outbox.sent("m", ["a"], START + HOUR)
    await store.outbox.claim("chat", START, per_hour=1, most=1, message_id="n")
    await store.outbox.sent("n", ["a"], START + DAY)
    found = await store.outbox.notification("a")
    assert found is not None
    assert found.delivered_at == START + HOUR
    states = {one.state for one in await store.outbox.deliveries(key="a")}
    assert states == {DeliveryState.SENT}


async def test_what_did_not_arrive_comes_again_at_its_time(store: ChannelStore) -> None:
    """Put back, it is due again then, with the reason and the attempts so far."""
    await _record(store, "a")
    await _claim(store)
    await store.outbox.put_back("m", ["a"], START + HOUR, "mail.example is down")
    assert await _claim(store, "n") == []
    assert await _claim(store, "n", now=START + HOUR) == ["a"]
    found = await _only(store)
    assert (found.attempts, found.error) == (2, "mail.example is down")


async def test_late_word_of_an_older_sending_changes_nothing(store: ChannelStore) -> None:
    """Only the message that holds a delivery can record its outcome."""
    await _record(store, "a")
    await _claim(store)
    await store.outbox.put_back("m", ["a"], START, "down")
    await _claim(store, "n")
    await store.outbox.sent("m", ["a"], START)
    assert (await _only(store)).state is DeliveryState.SENDING


async def test_messages_of_an_hour_are_counted(store: ChannelStore) -> None:
    """Beyond its limit a target gets no message until the hour is over; then all at once."""
    for number in range(3):
        await _record(store, f"{number}")
        await _claim(store, f"m{number}", per_hour=2)
        await store.outbox.sent(f"m{number}", [f"{number}"], START)
    await _record(store, "3")
    assert await _claim(store, "m3", per_hour=2) == []
    assert await _claim(store, "m3", per_hour=2, now=START + HOUR) == ["2", "3"]


async def test_count_holds_for_who_ask_at_once(store: ChannelStore) -> None:
    """Concurrent senders do not all find room."""
    await _record(store, *(f"{number}" for number in range(8)))

    async def one(number: int) -> int:
        claimed = await store.outbox.claim(
            "mail", START, per_hour=3, most=1, message_id=f"m{number}"
        )
        return len(claimed)

    assert sum(await asyncio.gather(*(one(number) for number in range(8)))) == 3


@pytest.mark.parametrize("certain", [True, False])
async def test_what_is_over_is_sent_again_only_by_hand(
    store: ChannelStore, *, certain: bool
) -> None:
    """Only an operator can send it again."""
    await _record(store, "a")
    assert not await store.outbox.resend("a", "mail", START)
    await _claim(store)
    await store.outbox.give_up("m", ["a"], START, "gone", certain=certain)
    expected = DeliveryState.FAILED if certain else DeliveryState.UNCONFIRMED
    assert (await _only(store)).state is expected
    assert await _claim(store, "n") == []
    assert await store.outbox.resend("a", "mail", START + HOUR)
    assert await _claim(store, "n", now=START + HOUR) == ["a"]
