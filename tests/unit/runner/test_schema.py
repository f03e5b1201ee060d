"""What goes in comes out: arguments and results of any type are equal, or refused in one line."""

from __future__ import annotations

import enum
import math
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, NoReturn, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    Json,
    PlainSerializer,
    PrivateAttr,
    RootModel,
    Secret,
    SecretBytes,
    SecretStr,
    StringConstraints,
    computed_field,
    model_validator,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import TypedDict

from runner import Context, Job, JobHandle, job
from runner.broker import keys
from runner.codec import decode, decode_job
from runner.errors import ArgumentsError, CodecError, ConfigurationError, ResultError
from runner.schema import is_same_value
from tests.odd_values import WITHOUT_JSON, nested

T = TypeVar("T")


class Colour(enum.Enum):
    """Stand for a type of its kind."""

    RED = "red"
    BLUE = "blue"


class Number(enum.IntEnum):
    """Stand for a type of its kind."""

    ONE = 1
    TWO = 2


class Shape(enum.Enum):
    """Stand for a type of its kind."""

    DOT = (0, 0)
    LINE = (0, 1)


class Plain(BaseModel):
    """Stand for a type of its kind."""

    name: str
    days: int = 7
    ratio: float = 0.5
    at: datetime | None = None


class Sub(Plain):
    """Stand for a type of its kind."""

    more: str = "more"


class Nested(BaseModel):
    """Stand for a type of its kind."""

    plain: Plain
    others: list[Plain] = []
    by_name: dict[str, Plain] = {}


class Aliased(BaseModel):
    """Stand for a type of its kind."""

    model_config = ConfigDict(validate_by_name=True)
    channel_id: str = Field(alias="channelId")


class WrittenOtherwise(BaseModel):
    """Stand for a type of its kind."""

    name: str = Field(serialization_alias="written")


class ReadOtherwise(BaseModel):
    """Stand for a type of its kind."""

    name: str = Field("x", validation_alias="read")
    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)


class Choices(BaseModel):
    """Stand for a type of its kind."""

    name: str = Field(validation_alias=AliasChoices("name", "title"))
    model_config = ConfigDict(validate_by_name=True)


class Excluding(BaseModel):
    """Stand for a type of its kind."""

    name: str = "x"
    hidden: int = Field(3, exclude=True)


class ExcludingRequired(BaseModel):
    """Stand for a type of its kind."""

    hidden: int = Field(exclude=True)


class Computed(BaseModel):
    """Stand for a type of its kind."""

    model_config = ConfigDict(extra="forbid")
    name: str

    @computed_field  # type: ignore[prop-decorator]  # pydantic's own way
    @property
    def shout(self) -> str:
        """Return the name in capitals."""
        return self.name.upper()


class WithPrivate(BaseModel):
    """Stand for a type of its kind."""

    name: str
    _seen: int = PrivateAttr(0)


class Extra(BaseModel):
    """Stand for a type of its kind."""

    model_config = ConfigDict(extra="allow")
    name: str


class Tree(BaseModel):
    """Stand for a type of its kind."""

    name: str
    under: list[Tree] = []


class Root(RootModel[dict[str, int]]):
    """Stand for a type of its kind."""


class Box(BaseModel, Generic[T]):
    """Stand for a type of its kind."""

    inside: T


class Secretive(BaseModel):
    """Stand for a type of its kind."""

    token: SecretStr


class Growing(BaseModel):
    """Stand for a type of its kind."""

    count: int

    @model_validator(mode="after")
    def grow(self) -> Growing:
        """Count once more."""
        self.__dict__["count"] = self.count + 1
        return self


class Cat(BaseModel):
    """Stand for a type of its kind."""

    kind: Literal["cat"] = "cat"
    lives: int


class Dog(BaseModel):
    """Stand for a type of its kind."""

    kind: Literal["dog"] = "dog"
    lives: int


class Left(BaseModel):
    """Stand for a type of its kind."""

    number: int


class Right(BaseModel):
    """Stand for a type of its kind."""

    number: int


class Keys(TypedDict, total=False):
    """Stand for a type of its kind."""

    name: str
    number: int


class Pair(NamedTuple):
    """Stand for a type of its kind."""

    name: str
    number: int = 0


@dataclass
class Point:
    """Stand for a type of its kind."""

    x: int
    y: float = 0.0
    names: list[str] = field(default_factory=list)


@dataclass
class SubPoint(Point):
    """Stand for a type of its kind."""

    z: int = 0


@dataclass
class Odd:
    """Stand for a type of its kind."""

    x: int
    made: int = field(init=False, default=1)
    given: InitVar[int] = 0

    def __post_init__(self, given: int) -> None:
        self.made = self.x + given


@pydantic_dataclass
class Checked:
    """Stand for a type of its kind."""

    x: int
    ratio: float = 1.0


class Arbitrary:
    """A class that pydantic does not know."""


def _construct(kind: Any, **fields: Any) -> Any:
    return kind.model_construct(**fields)


def _shout(text: str) -> str:
    return text + "!"


_TEXT = st.text()
_INTS = st.integers()
_FLOATS = st.floats()
_AWARE = st.datetimes(timezones=st.timezones() | st.none())
_PLAIN = st.builds(Plain, name=_TEXT, days=_INTS, ratio=_FLOATS, at=st.none() | _AWARE)
_POINTS = st.builds(Point, _INTS, _FLOATS, st.lists(_TEXT))
_JSON = st.recursive(
    st.none() | st.booleans() | _INTS | _FLOATS | _TEXT | st.dates(),
    lambda inner: st.lists(inner) | st.dictionaries(_TEXT | _INTS, inner) | st.tuples(inner),
    max_leaves=8,
)
_TREES = st.recursive(
    st.builds(Tree, name=_TEXT),
    lambda inner: st.builds(Tree, name=_TEXT, under=st.lists(inner)),
    max_leaves=5,
)
_HUGE = st.sampled_from([10**4299, 10**4300, -(10**5000), 2**64])
_OFFSETS = st.builds(timezone, st.timedeltas(timedelta(hours=-23), timedelta(hours=23)))

_TYPES: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "str": (str, _TEXT | st.just("\ud800")),
    "int": (int, _INTS | _HUGE | st.sampled_from([*Number])),
    "float": (float, _FLOATS | _INTS),
    "bool": (bool, st.booleans()),
    "bytes": (bytes, st.binary()),
    "decimal": (Decimal, st.decimals()),
    "datetime": (datetime, _AWARE | st.datetimes(timezones=_OFFSETS)),
    "date": (date, st.dates()),
    "time": (time, st.times(timezones=st.timezones() | st.none())),
    "timedelta": (timedelta, st.timedeltas()),
    "uuid": (UUID, st.uuids()),
    "path": (Path, st.builds(Path, st.text("ab/\ud800"))),
    "ip": (IPv4Address, st.ip_addresses(v=4)),
    "pattern": (re.Pattern, st.just(re.compile("a", re.IGNORECASE)) | st.just(re.compile("a"))),
    "enum": (Colour, st.sampled_from(Colour)),
    "int enum": (Number, st.sampled_from(Number)),
    "enum of tuples": (Shape, st.sampled_from(Shape)),
    "literal": (Literal["a", 1, True], st.sampled_from(["a", 1, True])),
    "literal of text": (Literal["a", "b"], st.sampled_from(["a", "b"])),
    "optional": (int | None, _INTS | st.none()),
    "int or str": (int | str, _INTS | _TEXT),
    "float or int": (float | int, _INTS | _FLOATS),
    "date or str": (date | str, st.dates() | _TEXT | st.just("2026-01-01")),
    "datetime or date": (datetime | date, _AWARE | st.dates()),
    "uuid or str": (UUID | str, st.uuids() | st.uuids().map(str)),
    "alike": (Left | Right, st.builds(Left, number=_INTS) | st.builds(Right, number=_INTS)),
    "told apart": (
        Annotated[Cat | Dog, Field(discriminator="kind")],
        st.builds(Cat, lives=_INTS) | st.builds(Dog, lives=_INTS),
    ),
    "list": (list[str], st.lists(_TEXT)),
    "list of floats": (list[float], st.lists(_FLOATS)),
    "bare list": (list, st.lists(_JSON)),
    "bare dict": (dict, st.dictionaries(_TEXT | _INTS, _JSON)),
    "sequence": (Sequence[int], st.lists(_INTS) | st.tuples(_INTS)),
    "deque": (deque[int], st.lists(_INTS).map(deque)),
    "tuple": (tuple[int, str], st.tuples(_INTS, _TEXT)),
    "tuple of any length": (tuple[date, ...], st.lists(st.dates()).map(tuple)),
    "set": (set[int], st.sets(_INTS)),
    "frozenset": (frozenset[str], st.frozensets(_TEXT)),
    "set of floats": (set[float], st.sets(_FLOATS)),
    "dict": (dict[str, int], st.dictionaries(_TEXT, _INTS)),
    "dict by int": (dict[int, str], st.dictionaries(_INTS, _TEXT)),
    "dict by float": (dict[float, int], st.dictionaries(_FLOATS, _INTS)),
    "dict by date": (dict[date, int], st.dictionaries(st.dates(), _INTS)),
    "dict by bool": (dict[bool, int], st.dictionaries(st.booleans(), _INTS)),
    "dict by enum": (dict[Colour, int], st.dictionaries(st.sampled_from(Colour), _INTS)),
    "dict by optional": (dict[str | None, int], st.dictionaries(st.none() | _TEXT, _INTS)),
    "dict by uuid": (dict[UUID, int], st.dictionaries(st.uuids(), _INTS)),
    "typed dict": (Keys, st.fixed_dictionaries({"name": _TEXT}, optional={"odd": _INTS})),
    "named tuple": (Pair, st.builds(Pair, _TEXT, _INTS)),
    "any": (Any, _JSON | st.just(Plain(name="x")) | st.just(Number.ONE)),
    "object": (object, _JSON),
    "model": (Plain, _PLAIN),
    "model or its subclass": (Plain, _PLAIN | st.builds(Sub, name=_TEXT)),
    "list of models": (list[Plain], st.lists(_PLAIN | st.builds(Sub, name=_TEXT))),
    "nested model": (Nested, st.builds(Nested, plain=_PLAIN, others=st.lists(_PLAIN))),
    "spoiled model": (Plain, st.builds(_construct, st.just(Plain), name=_INTS, days=_TEXT)),
    "alias": (Aliased, st.builds(lambda name: Aliased(channel_id=name), _TEXT)),
    "validation alias": (ReadOtherwise, st.builds(lambda name: ReadOtherwise(name=name), _TEXT)),
    "alias choices": (Choices, st.builds(lambda name: Choices(name=name), _TEXT)),
    "excluded field": (Excluding, st.builds(Excluding, name=_TEXT, hidden=st.sampled_from([3, 4]))),
    "computed field": (Computed, st.builds(Computed, name=_TEXT)),
    "extra fields": (Extra, st.builds(Extra, name=_TEXT, more=_JSON)),
    "recursive model": (Tree, _TREES),
    "root model": (Root, st.builds(Root, st.dictionaries(_TEXT, _INTS))),
    "generic model": (Box[int], st.builds(Box[int], inside=_INTS)),
    "generic model, bare": (Box, st.builds(Box[int], inside=_INTS) | st.builds(Box, inside=_JSON)),
    "growing model": (Growing, st.builds(Growing, count=_INTS)),
    "dataclass": (Point, _POINTS | st.builds(SubPoint, _INTS)),
    "dataclass with a method": (Odd, st.builds(Odd, _INTS, given=st.integers(0, 2))),
    "pydantic dataclass": (Checked, st.builds(Checked, _INTS, _FLOATS)),
    "stripped": (Annotated[str, StringConstraints(strip_whitespace=True)], _TEXT | st.just(" a ")),
    "constrained": (Annotated[int, Field(ge=0)], _INTS),
    "changed by a validator": (Annotated[str, AfterValidator(_shout)], _TEXT),
    "changed by a serializer": (Annotated[str, PlainSerializer(_shout)], _TEXT),
    "json": (Json[list[int]], st.just("[1, 2]")),
}

_IMPOSSIBLE: dict[str, Any] = {
    "secret": SecretStr,
    "secret bytes": SecretBytes,
    "any secret": Secret[int],
    "optional secret": SecretStr | None,
    "list of secrets": list[SecretStr],
    "secret in a model": Secretive,
    "secret in a union": int | SecretStr,
    "function": Callable[[], None],
    "class": type[Plain],
    "iterator": Iterator[int],
    "arbitrary": Arbitrary,
    "list of arbitrary": list[Arbitrary],
    "dict by tuple": dict[tuple[int, int], str],
    "dict by model": dict[Plain, str],
    "excluded, required field": ExcludingRequired,
    "written otherwise": WrittenOtherwise,
}


def _job_of(kind: Any) -> Job[Any, Any]:
    async def one(ctx: Context, value: Any) -> Any:
        raise NotImplementedError(ctx, value)

    one.__annotations__ = {"ctx": Context, "value": kind, "return": kind}
    return job(queue="default")(one)


_JOBS = {name: _job_of(kind) for name, (kind, _) in _TYPES.items()}


def _arrived(sent: Job[Any, Any], *args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], Any]:
    """Return the arguments as the worker's coroutine gets them."""
    envelope = decode_job(sent.options().request(args, kwargs).body())
    return sent.parse(tuple(envelope.args), envelope.kwargs)


@pytest.mark.parametrize("name", _TYPES)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_value_comes_back_equal_or_is_refused(name: str, data: st.DataObject) -> None:
    """By position, by name and as a result; a refusal is one line that names the job."""
    sent, value = _JOBS[name], data.draw(_TYPES[name][1])
    said: list[str] = []

    for args, kwargs in (((value,), {}), ((), {"value": value})):
        try:
            came, named = _arrived(sent, *args, **kwargs)
        except (ArgumentsError, CodecError) as error:
            said.append(str(error))
        else:
            assert is_same_value(value, (*came, *named.values())[0])
    try:
        written = sent.write_result(value)
    except ResultError as error:
        said.append(str(error))
    else:
        assert is_same_value(value, sent.schema.read_result(decode(written)))
    assert all(re.fullmatch("one: .+", line) for line in said)


_ALWAYS: dict[str, list[Any]] = {
    "str": ["", "é \U0001f600 \x00"],
    "int": [0, -(2**63), 2**64, 10**4200],
    "float": [0.1, -0.0, 1e308, 5e-324, 3],
    "bytes": [b"text", "é".encode()],
    "decimal": [Decimal("9.90"), Decimal("1E+400")],
    "datetime": [
        datetime.max,  # noqa: DTZ901 -- the last one
        datetime(2026, 3, 29, 2, 30, 0, 7, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime(2026, 1, 1, tzinfo=UTC),
    ],
    "timedelta": [timedelta(days=-1, microseconds=1), timedelta(seconds=1.5)],
    "path": [Path("/a/b"), Path()],
    "int or str": [5, "5", "x"],
    "date or str": ["x"],
    "told apart": [Cat(lives=9), Dog(lives=1)],
    "bare dict": [{"a": [1, None, {"b": 0.5}]}],
    "dict by date": [{date(2026, 1, 1): 5}],
    "dict by int": [{1: "x"}],
    "any": [None, {"a": [1, "x", True, 0.5]}, nested(190)],
    "named tuple": [Pair("a", 1)],
    "model": [Plain(name="x", at=datetime(2026, 1, 1, tzinfo=UTC))],
    "nested model": [Nested(plain=Plain(name="x"), by_name={"a": Plain(name="y")})],
    "alias": [Aliased.model_validate({"channelId": "UC1"})],
    "alias choices": [Choices(name="x")],
    "excluded field": [Excluding(name="y")],
    "computed field": [Computed(name="x")],
    "recursive model": [Tree(name="a", under=[Tree(name="b")])],
    "root model": [Root({"a": 1})],
    "generic model": [Box[int](inside=3)],
    "dataclass": [Point(1, 0.5, ["a"])],
    "pydantic dataclass": [Checked(1)],
    "constrained": [3],
    "stripped": ["a"],
}


@pytest.mark.parametrize("name", _ALWAYS)
def test_common_value_comes_back(name: str) -> None:
    """Nothing that can travel is refused for caution's sake."""
    sent = _JOBS[name]
    for value in _ALWAYS[name]:
        (came,), _ = _arrived(sent, value)
        assert is_same_value(value, came)
        assert is_same_value(value, sent.schema.read_result(decode(sent.write_result(value))))


_NEVER: dict[str, list[Any]] = {
    "str": ["\ud800", 5],
    "int": [10**4300, "5", True],
    "float": [math.nan, math.inf, "1"],
    "list of floats": [[1.0, -math.inf]],
    "bytes": [b"\xff"],
    "datetime": [datetime(1890, 1, 1, tzinfo=ZoneInfo("Europe/Berlin"))],
    "model": [Sub(name="x"), Plain(name="x", ratio=math.nan)],
    "list of models": [[Plain(name="x"), Sub(name="x")]],
    "spoiled model": [_construct(Plain, name=5), _construct(Plain)],
    "nested model": [Nested(plain=Sub(name="x")), _construct(Nested, plain=Sub(name="x"))],
    "excluded field": [Excluding(hidden=4)],
    "extra fields": [Extra(name="x", more=(1, 2))],  # type: ignore[call-arg]  # as allowed
    "growing model": [Growing(count=1)],
    "any": [(1, 2), {1: 2}, {1}, date(2026, 1, 1), Plain(name="x"), SecretStr("x")],
    "dataclass": [SubPoint(1), Point(1, math.inf), Point("x")],  # type: ignore[arg-type]
    "pydantic dataclass": [Checked(1, math.nan)],
    "dict by optional": [{None: 1}],
    "typed dict": [{"name": "x", "odd": 1}],
    "stripped": [" a "],
    "changed by a validator": ["a"],
    "changed by a serializer": ["a"],
}


@pytest.mark.parametrize("name", _NEVER)
def test_value_that_would_change_is_refused(name: str) -> None:
    """Where it is enqueued or returned, instead of arriving as something else."""
    sent = _JOBS[name]
    for value in _NEVER[name]:
        with pytest.raises((ArgumentsError, CodecError)):
            _arrived(sent, value)
        with pytest.raises(ResultError):
            sent.write_result(value)


@pytest.mark.parametrize("kind", WITHOUT_JSON)
def test_value_without_a_json_form_is_refused(kind: str) -> None:
    """With whatever its own code raises."""
    with pytest.raises((ArgumentsError, CodecError), match=r"\Aone: .+\Z"):
        _arrived(_JOBS["any"], WITHOUT_JSON[kind]())


@pytest.mark.parametrize("name", _IMPOSSIBLE)
def test_type_that_cannot_come_back_is_refused_where_it_is_written(name: str) -> None:
    """When the job is registered, in one line; so is a result of the type, if it is kept."""

    async def take(ctx: Context, value: Any) -> None:
        raise NotImplementedError(ctx, value)

    async def give(ctx: Context) -> Any:
        raise NotImplementedError(ctx)

    take.__annotations__["value"] = give.__annotations__["return"] = _IMPOSSIBLE[name]

    with pytest.raises(ConfigurationError, match=r"\Atake: (value|its signature): .+\Z"):
        job(queue="default")(take)
    with pytest.raises(ConfigurationError, match=r"\Agive: its (result|signature): .+\Z"):
        job(queue="default")(give)
    assert job(queue="default", keep_result_s=0)(give).name == "give"


def test_type_that_is_defined_later_is_found_at_the_first_use() -> None:
    """A name that is missing when the job is registered may be there when it is used."""

    @job(queue="default")
    async def later(ctx: Context, value: _Later) -> _Later:  # type: ignore[name-defined]  # noqa: F821
        raise NotImplementedError(ctx, value)

    with pytest.raises(ConfigurationError, match="_Later"):
        later.prepare()
    globals()["_Later"] = Plain
    try:
        assert _arrived(later, Plain(name="x")) == ((Plain(name="x"),), {})
    finally:
        del globals()["_Later"]


def test_parameter_without_a_type_takes_plain_json() -> None:
    """It is `Any`, and so is a result without one."""

    async def loose(ctx, value=None, *more, **named):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN002, ANN003, ANN202
        raise NotImplementedError(ctx, value, more, named)

    sent: Job[Any, Any] = job(queue="default")(loose)

    assert _arrived(sent, [1], "x", named=2) == (([1], "x"), {"named": 2})
    assert sent.write_result({"a": 1}) == b'{"a":1}'
    for args, kwargs in ((((1, 2),), {}), ((1, (1, 2)), {}), ((), {"named": {1: 2}})):
        with pytest.raises(ArgumentsError):
            _arrived(sent, *args, **kwargs)


def test_variable_arguments_come_back() -> None:
    """Each is written and read in its type."""

    @job(queue="default")
    async def many(ctx: Context, /, first: date, *more: date, **named: Plain) -> NoReturn:
        raise NotImplementedError(ctx, first, more, named)

    day, plain = date(2026, 1, 1), Plain(name="x")
    assert _arrived(many, day, day, named=plain) == ((day, day), {"named": plain})
    with pytest.raises(ArgumentsError):
        _arrived(many, day, named=Sub(name="x"))


def test_result_is_read_in_the_type_of_the_signature() -> None:
    """Also one that another program wrote, leniently; one that does not fit is an error."""
    handle: JobHandle[Any] = JobHandle("j", "default", job=_JOBS["model"])

    assert handle._unpack(keys.ARQ, b'{"s":true,"r":{"name":"x","days":"7"}}') == Plain(name="x")
    with pytest.raises(CodecError, match="one: its result: days"):
        handle._unpack(keys.ARQ, b'{"s":true,"r":{"name":"x","days":"often"}}')
    assert JobHandle[Any]("j", "default")._unpack(keys.ARQ, b'{"s":true,"r":{"a":1}}') == {"a": 1}


@pytest.mark.parametrize("name", ["str", "int", "list", "dict", "bool", "uuid", "date"])
def test_plain_types_are_never_in_doubt(name: str) -> None:
    """Enqueueing them costs no second reading."""
    assert _JOBS[name].schema._is_certain
