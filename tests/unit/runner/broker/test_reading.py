"""Readers of what stands in Redis give a value or say why there is none, and never raise."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from runner.broker.reading import (
    LARGEST,
    Cut,
    Fields,
    Reader,
    Unreadable,
    count_of,
    cut,
    keys_of,
    moment,
    readable,
    shown_id,
    whole_of,
)

_WRONG = ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value")
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.just("x"), inner),
    max_leaves=5,
)


def test_wrong_type_names_its_key_and_other_errors_are_raised() -> None:
    """A refused login is no matter of data."""
    assert str(readable(_WRONG, ("ZCARD", "arq:aside"))).startswith("arq:aside holds another type")
    assert readable(3, ("ZCARD", "x")) == 3
    with pytest.raises(RedisConnectionError):
        readable(RedisConnectionError("away"), ("ZCARD", "x"))


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (b"7", 7),
        (b"-7", -7),
        (b"", None),
        (b" 7", None),
        (b"7\n", None),
        (b"1e3", None),
        (b"nan", None),
        (b"\xd9\xa7", None),
        (str(LARGEST).encode(), LARGEST),
        (str(LARGEST + 1).encode(), None),
        (b"9" * 1_000_000, None),
        (None, None),
        (7, None),
    ],
)
def test_whole_number_is_digits_that_lua_counts_exactly(value: object, number: int | None) -> None:
    """Anything else is none, and no count is negative."""
    assert whole_of(value) == number
    assert count_of(value) == (number if number is None or number >= 0 else None)


@pytest.mark.parametrize("ms", [math.inf, -math.inf, math.nan, 1e300, -1e300, True, "1", None])
def test_time_that_no_calendar_has_is_none(ms: object) -> None:
    """Nor is what is no number."""
    assert moment(ms) is None


@given(st.binary(max_size=12))
def test_id_of_any_bytes_is_shown_and_found_again(job_id: bytes) -> None:
    """What is shown of it leads to it."""
    assert job_id in keys_of(shown_id(job_id))


def test_what_is_long_is_cut_and_says_how_much_there_was() -> None:
    """A short text is left alone."""
    assert cut("abc", 3) == "abc"
    assert cut("abcd" * 1000, 3).startswith("abc… (cut: ")


@given(st.binary(max_size=30) | _json.map(lambda one: json.dumps(one).encode()))
def test_fields_of_anything_are_read(value: bytes) -> None:
    """Each as what it should be; what is something else is noted, and counts as missing."""
    reader = Reader()
    fields = reader.fields("key", value)
    for one in (fields, Fields(reader, "key", {"x": _loaded(value)})):
        assert isinstance(one.text("x"), str)
        assert one.whole("x") is None or abs(one.whole("x") or 0) <= LARGEST
        assert one.number("x") is None or math.isfinite(one.number("x") or 0)
        assert isinstance(one.items("x"), list)
        assert isinstance(one.texts("x"), tuple)
        assert all(isinstance(inner, Fields) for inner in one.objects("x"))
        assert isinstance(one.flag("x"), bool)
        one.moment("x"), one.stamp("x"), one.inner("x")
    assert isinstance(reader.unreadable, str)


def _loaded(value: bytes) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return None


def test_row_says_what_is_unreadable_in_it() -> None:
    """The first three problems, each once, and how many more there are."""
    reader = Reader()
    assert reader.unreadable == ""
    assert reader.count("a", b"x") == 0
    assert reader.count("a", b"x") == 0
    assert reader.known(Unreadable("b", "holds a list"), 5) == 5
    assert not reader.fields("c", Cut(5000, b"{"))
    assert reader.moment("d", math.inf) is None
    assert reader.unreadable.startswith("a is no whole number; b holds a list; c is too long")
    assert reader.unreadable.endswith("; and 1 more")


def test_body_that_is_too_long_keeps_its_name() -> None:
    """It stands before the arguments in what we write."""
    reader = Reader()
    found = reader.body("arq:job:x", Cut(5_000_000, b'{"t":null,"f":"sync","a":["'))
    assert found is not None
    assert (found.name, found.args) == ("sync", [])
    assert "too long to be shown" in reader.unreadable
    assert reader.body("arq:job:x", Cut(5_000_000, b'{"a":["')) is None
