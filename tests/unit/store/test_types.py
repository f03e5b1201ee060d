"""Column types: what goes in comes out, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from jobs.channel.records import ChannelRecord, Platform
from jobs.json_text import to_json
from jobs.store.types import StorableText, UtcDateTime
from tests.unit.store.samples import CHANNEL, START, notification

if TYPE_CHECKING:
    from jobs.store import ChannelStore

SQLITE = sqlite.dialect()


@given(st.datetimes(timezones=st.timezones() | st.just(UTC)))
def test_sqlite_keeps_every_instant_to_the_microsecond(instant: datetime) -> None:
    """Any time in any zone comes back as the same instant, in UTC."""
    kind = UtcDateTime()
    found = kind.process_result_value(kind.process_bind_param(instant, SQLITE), SQLITE)
    assert found == instant.astimezone(UTC)


async def test_times_come_back_aware_in_utc(store: ChannelStore) -> None:
    """A time of another zone is the same instant afterwards, and says that it is UTC."""
    await store.channels.register(CHANNEL, [])
    there = START.astimezone(timezone(timedelta(hours=-5)))
    await store.outbox.post(notification("k"), {"mail": there})
    (found,) = await store.outbox.deliveries(key="k")
    assert found.due_at == START
    assert found.due_at.tzinfo == UTC
    assert found.recorded_at.tzinfo == UTC


@given(st.text(alphabet=st.characters(codec=None, exclude_categories=[])))
def test_text_is_always_storable(text: str) -> None:
    """Stored text can be encoded, has no NUL, and keeps its length, whatever the text was."""
    found = StorableText().process_bind_param(text, SQLITE)
    assert found is not None
    assert "\0" not in found
    assert len(found.encode().decode()) == len(text)


async def test_odd_titles_do_not_keep_a_channel_out(store: ChannelStore) -> None:
    """NUL, half a surrogate pair, emoji and quotes are stored alike on both databases."""
    odd = ChannelRecord("UC1", "a\0b\ud83d '\"; 🎬 é\u00a0", Platform.OTHER)
    await store.channels.register(odd, [])
    found = await store.channels.find("UC1")
    assert found is not None
    assert found.title == "a\ufffdb\ufffd '\"; 🎬 é\u00a0"


def test_documents_are_json() -> None:
    """A number that JSON cannot express is refused, not written as something else."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json({"effect": float("nan")})
