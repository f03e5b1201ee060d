"""What a call with limits gives back is data: it comes out equal, and nothing in it is executed."""

from __future__ import annotations

import contextlib
import json
import math
import pickle
import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import OffloadError
from runner.offload.answer import NoDataError, name_of, pack, unpack


class Colour(StrEnum):
    """Two of them."""

    RED = "red"
    BLUE = "blue"


class Number(Enum):
    """Of plain values."""

    ONE = 1


class Pair(NamedTuple):
    """Two values with names."""

    left: Any
    right: Any


@dataclass(frozen=True, slots=True)
class Point:
    """Frozen, in slots."""

    x: float
    colour: Colour = Colour.RED


@dataclass
class Checked:
    """What it checks when it is made was checked where it was made."""

    items: list[Any] = field(default_factory=list)
    made: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        """Count."""
        self.made += 1


class OddError(Exception):
    """It cannot be unpickled."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")
        self.one = one


CLASSES = (Colour, Number, Pair, Point, Checked)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec=None), max_size=20)
    | st.binary(max_size=20)
    | st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-3))]))
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.sampled_from([*Colour, *Number]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers() | st.dates(), inner, max_size=4)
        | st.builds(Pair, inner, inner)
        | st.builds(Checked, st.lists(inner, max_size=3))
    ),
    max_leaves=20,
)


def roundtrip(value: Any, classes: Any = CLASSES) -> Any:
    """Pass it on."""
    return unpack(pack(value), classes)


@given(PLAIN)
def test_data_comes_out_equal_and_of_its_type(value: Any) -> None:
    """Of any shape, down to tuples, keys that are no text, and single surrogates."""
    came = roundtrip(value)

    assert came == value
    assert repr(came) == repr(value)


def test_what_equality_hides_comes_out_too() -> None:
    """NaN, sets, raw bytes of a megabyte, and what is kept in slots."""
    blob = bytes(range(256)) * 4096
    given_ = [math.nan, {1, 2}, frozenset("ab"), bytearray(blob), blob, Point(1.5, Colour.BLUE)]
    given_ += [Path("/a/b"), {"": 1, "x": 2}, UUID(int=7), Decimal("1.50"), time(1, tzinfo=UTC)]

    came = roundtrip(given_)

    assert math.isnan(came[0])
    assert came[1:] == given_[1:]
    assert [type(one) for one in came] == [type(one) for one in given_]
    assert len(pack(blob)) < len(blob) + 100


def test_no_constructor_is_called() -> None:
    """An object is its fields, as it was."""
    made = Checked([1])

    assert roundtrip(made).made == 1


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (object(), "it holds a builtins:object, which is no data"),
        ([{"a": (print,)}], "builtin_function_or_method, which is no data"),
        (int, "builtins:type"),
        (datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")), "Europe/Berlin: give it back in"),
        (type("Text", (str,), {})("x"), "Text, which is no data"),
    ],
)
def test_what_is_no_data_is_named(value: Any, said: str) -> None:
    """In words that tell what to give back instead."""
    with pytest.raises(NoDataError, match=said):
        pack(value)


def test_what_holds_itself_is_refused() -> None:
    """Not passed on for ever."""
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(NoDataError, match="nested too deeply"):
        pack(loop)


def test_class_that_the_caller_does_not_name_is_refused() -> None:
    """With its name, and where to put it."""
    with pytest.raises(NoDataError, match=f"{name_of(Point)}, which the caller does not name in"):
        roundtrip([Point(1.0)], (Colour,))


@pytest.mark.parametrize("error", [LookupError("no such"), KeyError(3), ValueError("a", 2)])
def test_exception_comes_out_with_its_type_arguments_and_notes(error: Exception) -> None:
    """Whoever catches it sees what was raised."""
    error.add_note("there")

    came = roundtrip(error)

    assert type(came) is type(error)
    assert (came.args, str(came), came.__notes__) == (error.args, str(error), ["there"])


def test_exceptions_with_constructors_of_their_own_come_out() -> None:
    """Those that pickle cannot make again too; an `OSError` keeps its file name."""
    with pytest.raises(TypeError):
        pickle.loads(pickle.dumps(OddError(1, 2)))  # noqa: S301 -- made here
    odd = roundtrip(OddError(1, 2))
    missing = roundtrip(FileNotFoundError(2, "No such file", "/a"))
    unreadable = roundtrip(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "odd"))

    assert (type(odd), str(odd), odd.one) == (OddError, "1 and 2", 1)
    assert (type(missing), missing.filename, missing.errno) == (FileNotFoundError, "/a", 2)
    assert str(unreadable).startswith("'utf-8' codec can't decode byte 0xff")


@pytest.mark.parametrize(
    "name",
    [
        "builtins:SystemExit",
        "builtins:KeyboardInterrupt",
        "asyncio.exceptions:CancelledError",
        "os:system",
        "builtins:int",
        "not.imported:Error",
        "runner.errors:RunnerError.__init__",
        "settings:AnalyticsWorker",
    ],
)
def test_what_is_no_exception_here_is_a_line(name: str) -> None:
    """Nothing is imported, called or raised for it that would end more than the call."""
    came = unpack(_forged(["error", name, ["x"], {}, "Error: x"]), ())

    assert type(came) is OffloadError
    assert str(came) == "Error: x"


@pytest.mark.parametrize(
    "forged",
    [
        ["object", "os:system", ["true"]],
        ["object", "builtins:type", []],
        ["object", "tests.unit.runner.offload.test_answer:Point.__init__", [1]],
        ["enum", name_of(Point), 1],
        ["named", name_of(Colour), ["red"]],
        ["object", name_of(Colour), ["red"]],
        ["object", name_of(Point), [1]],
        ["object", name_of(Point), [1, "red", 3]],
        ["named", name_of(Pair), [1]],
        ["enum", name_of(Colour), "green"],
        ["bytes", 10],
        ["bytes", -1],
        ["bytes", "x"],
        ["unknown", 1],
        ["datetime", "yesterday"],
        ["timedelta", [1, 2, 3, 4, 5, 6, 7]],
        ["dict", [[[], 1]]],
        [],
        "x",
        None,
    ],
    ids=repr,
)
def test_forged_answer_is_one_error(forged: Any) -> None:
    """Whatever a process sends that is no longer ours, the caller has a sentence."""
    with pytest.raises(NoDataError):
        unpack(_forged(forged), CLASSES)


@pytest.mark.parametrize("answer", [b"", b"\0" * 7, b"\xff" * 8, pickle.dumps(1), b"\0" * 8 + b"x"])
def test_answer_that_is_none_is_one_error(answer: bytes) -> None:
    """Nor is a pickle ever read."""
    with pytest.raises(NoDataError):
        unpack(answer, CLASSES)


@given(st.binary(max_size=200), st.recursive(st.none() | st.text(), st.lists))
def test_any_bytes_are_data_or_one_error(blob: bytes, forged: Any) -> None:
    """Never another exception."""
    for answer in (blob, _forged(forged), pack([1, blob])[:-1]):
        with contextlib.suppress(NoDataError):
            unpack(answer, CLASSES)


def test_members_of_enums_and_classes_stay_as_they_are() -> None:
    """What many share cannot be changed by an answer."""
    before = {member: dict(vars(member)) for member in Colour}
    for forged in (
        ["object", name_of(Colour), ["x"]],
        ["enum", name_of(Colour), "red", {"_value_": 1}],
    ):
        with pytest.raises(NoDataError):
            unpack(_forged(forged), CLASSES)

    assert {member: dict(vars(member)) for member in Colour} == before


def _forged(tagged: Any) -> bytes:
    text = json.dumps({"": tagged}).encode()
    return struct.pack("!Q", len(text)) + text
