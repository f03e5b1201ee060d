"""`@job`: names, arguments, options."""

from __future__ import annotations

import enum
import threading
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict

from runner import Context, Job, job, testing
from runner.codec import decode_job
from runner.errors import ArgumentsError, CodecError, ConfigurationError

if TYPE_CHECKING:
    import pathlib  # noqa: TC004 -- the mistake that is tested
    from collections.abc import AsyncIterator, Iterator


class Window(BaseModel):
    """Stand for any model in a job's arguments."""

    start: datetime
    days: int = 7


class StrictWindow(BaseModel):
    """A model that takes only what is of the right type already."""

    model_config = ConfigDict(strict=True)

    start: datetime


class Tree(BaseModel):
    """A model that holds itself."""

    name: str
    under: list[Tree] = []


class Kind(enum.Enum):
    """A kind of channel."""

    VIDEO = "video"
    PODCAST = "podcast"


@dataclass
class Point:
    """A plain dataclass."""

    day: date
    views: int


@job(queue="analytics")
async def analyze(ctx: Context, channel_id: str, days: int = 28, *, force: bool = False) -> str:
    """Analyze one channel."""
    return f"{ctx.job_id} {channel_id} {days} {force}"


@job(queue="default")
async def tidy(ctx: Context, /, *names: str, **options: int) -> None:
    """Take as many names and options as there are."""
    raise NotImplementedError(ctx.job_id, names, options)


@job(queue="default")
async def take(
    ctx: Context,
    *,
    window: Window,
    at: datetime,
    point: Point,
    kind: Kind,
    span: timedelta,
    price: Decimal,
    owner: UUID,
    tags: frozenset[str],
    pair: tuple[int, str],
    by_day: dict[date, int],
    raw: bytes,
) -> None:
    """Take one argument of each type that has a JSON form."""
    raise NotImplementedError(ctx, window, at, point, kind, span, price, owner, tags, pair)


@job(queue="default")
async def take_strict(ctx: Context, window: StrictWindow) -> None:
    """Take a model that is strict by itself."""
    raise NotImplementedError(ctx, window)


@job(queue="default")
async def take_tree(ctx: Context, tree: Tree, others: tuple[Tree, ...] = ()) -> None:
    """Take a model whose schema refers to itself."""
    raise NotImplementedError(ctx, tree, others)


@job(queue="default")
async def take_anything(ctx: Context, anything: Any = None, either: int | str = 0) -> None:
    """Take arguments without a type."""
    raise NotImplementedError(ctx, anything, either)


@job(queue="default")
async def take_hidden(ctx: Context, path: pathlib.Path) -> None:
    """Take a type that only a type checker sees."""
    raise NotImplementedError(ctx, path)


def _travelled(sent: Job[Any, Any], *args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], Any]:
    """Return the arguments as the worker sees them: checked, through JSON, parsed."""
    request = sent.options().request(args, kwargs)
    envelope = decode_job(request.body())
    return sent.parse(tuple(envelope.args), envelope.kwargs)


def test_job_is_known_by_its_function_and_keeps_its_docstring() -> None:
    """A job has the name, docstring and module of its coroutine, and its repr names its queue."""
    assert analyze.name == analyze.__name__ == "analyze"  # type: ignore[attr-defined]
    assert analyze.__doc__ == "Analyze one channel."
    assert analyze.__module__ == __name__
    assert repr(analyze) == "<job analyze on analytics>"


def test_job_may_be_registered_under_another_name() -> None:
    """`name=` lets a function be renamed while bodies under the old name still wait."""

    async def renamed(ctx: Context) -> None:
        raise NotImplementedError(ctx)

    assert job(queue="default", name="old_name")(renamed).name == "old_name"


async def test_job_is_called_like_the_coroutine_that_it_is() -> None:
    """Calling a job runs it here, as tests do."""
    ctx = Context(analyze, "j1", "analytics", 1, 0, 0)

    assert await analyze(ctx, "UC1", force=True) == "j1 UC1 28 True"


def test_job_must_be_a_function_with_a_context() -> None:
    """A function that could never run is refused where it is written."""

    async def without_context() -> None:
        raise NotImplementedError

    def generates(ctx: Context) -> Iterator[str]:
        yield ctx.job_id

    async def generates_too(ctx: Context) -> AsyncIterator[str]:
        yield ctx.job_id

    with pytest.raises(ConfigurationError, match="int: a job is a function, `async def` or `def`"):
        job(queue="default")(int)  # type: ignore[arg-type]
    for function in (generates, generates_too):
        with pytest.raises(ConfigurationError, match="it cannot be a generator"):
            job(queue="default")(function)
    with pytest.raises(ConfigurationError, match="first parameter is its Context"):
        job(queue="default")(without_context)  # type: ignore[arg-type]


@job(queue="default")
def in_thread(ctx: Context, count: int) -> str:
    """Say where it runs."""
    return f"{ctx.job_id * count} {threading.current_thread().name[:4]}"


async def test_plain_function_runs_in_a_thread() -> None:
    """Called here as by a worker; its arguments are checked as any."""
    assert await in_thread(Context(in_thread, "x", "default", 1, 0, 0), 2) == "xx job_"
    with pytest.raises(ArgumentsError):
        in_thread.call("2")  # type: ignore[arg-type]


def test_arguments_arrive_as_they_were_given() -> None:
    """By position, by name or by default, as the caller gave them."""
    assert _travelled(analyze, "UC1") == (("UC1",), _force(days=28))
    assert _travelled(analyze, channel_id="UC1", days=7) == ((), _force(channel_id="UC1", days=7))
    assert _travelled(analyze, "UC1", 7, force=True) == (("UC1", 7), {"force": True})
    assert _travelled(tidy, "a", "b", depth=2) == (("a", "b"), {"depth": 2})
    assert _travelled(tidy) == ((), {})


def test_arguments_arrive_in_the_types_of_the_signature() -> None:
    """Models, dates, enums, sets and the like are the same after JSON."""
    start = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    given = {
        "window": Window(start=start),
        "at": start,
        "point": Point(date(2026, 3, 29), 5),
        "kind": Kind.PODCAST,
        "span": timedelta(seconds=1.5),
        "price": Decimal("9.90"),
        "owner": UUID(int=7),
        "tags": frozenset({"a", "b"}),
        "pair": (1, "x"),
        "by_day": {date(2026, 3, 29): 3},
        "raw": b"bytes",
    }

    args, kwargs = _travelled(take, **given)

    assert args == ()
    assert kwargs == given


def test_arguments_of_a_strict_model_survive_json() -> None:
    """Enqueue checks strictly, the worker reads leniently: JSON has no dates."""
    window = StrictWindow(start=datetime(2026, 1, 1, tzinfo=UTC))

    assert _travelled(take_strict, window) == ((window,), {})


def test_arguments_of_a_recursive_model_arrive() -> None:
    """Its schema is separate from the signature's."""
    tree = Tree(name="a", under=[Tree(name="b")])

    assert _travelled(take_tree, tree, others=(tree,)) == ((tree,), {"others": (tree,)})
    with pytest.raises(ArgumentsError, match=r"tree\.under\.0\.name"):
        take_tree.parse((), {"tree": {"name": "a", "under": [{"name": 3}]}})


def test_arguments_without_a_type_pass_unchanged() -> None:
    """`Any` accepts all of JSON, and a union keeps the given member."""
    anything = {"a": [1, None, "x"]}
    assert _travelled(take_anything, anything, "5") == ((anything, "5"), {})
    assert _travelled(take_anything, either=5) == ((), {"anything": None, "either": 5})


@pytest.mark.parametrize(
    ("args", "kwargs", "problem"),
    [
        ((), {}, "channel_id: Missing required argument"),
        ((1,), {}, "0: Input should be a valid string"),
        ((), {"channel_id": "UC1", "days": "7"}, "days: Input should be a valid integer"),
        ((), {"channel_id": "UC1", "days": True}, "days: Input should be a valid integer"),
        ((), {"channel_id": "UC1", "force": 1}, "force: Input should be a valid boolean"),
        (("UC1", 7, True), {}, "2: Unexpected positional argument"),
        (("UC1",), {"channel_id": "UC2"}, "channel_id: Got multiple values for argument"),
        ((), {"channel": "UC1"}, "channel: Unexpected keyword argument"),
        ((), {"channel_id": None}, "channel_id: Input should be a valid string"),
    ],
)
def test_arguments_that_do_not_fit_fail_at_the_call(
    args: tuple[Any, ...], kwargs: dict[str, Any], problem: str
) -> None:
    """Enqueue is strict: "7" is not a number, and the message names the argument in one line."""
    with pytest.raises(ArgumentsError) as raised:
        analyze.check(args, kwargs)

    assert problem in str(raised.value)
    assert raised.value.job_name == "analyze"
    assert "\n" not in str(raised.value)


def test_arguments_from_other_languages_are_read_leniently() -> None:
    """A body written by hand may have "7" for a number."""
    assert analyze.parse(("UC1", "7"), {"force": "true"}) == (("UC1", 7), {"force": True})


def test_arguments_without_a_json_form_are_refused_at_the_call() -> None:
    """An object without a JSON form never leaves the caller."""
    with pytest.raises(CodecError, match="take_anything: an argument has no JSON form"):
        take_anything.options().request((object(),), {}).body()


def test_arguments_of_hidden_types_get_a_remedy() -> None:
    """The error names a type that is imported for the type checker only, and says what to do."""
    with pytest.raises(ConfigurationError, match="import it outside `if TYPE_CHECKING`"):
        take_hidden.check((), {"path": "x"})


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"delay_s": 5, "at": datetime(2030, 1, 1, tzinfo=UTC)}, "delay_s or at, not both"),
        ({"delay_s": -1}, "delay_s is -1"),
        ({"at": datetime(2030, 1, 1)}, "at needs a time zone"),  # noqa: DTZ001 -- the point
        ({"job_id": ""}, "job_id is empty"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], problem: str) -> None:
    """Where they are given, not when the job is due."""
    with pytest.raises(ConfigurationError, match=problem):
        analyze.options(**options)


def test_options_become_the_jobs_time_id_and_queue() -> None:
    """The job has the call's delay, time, id and queue."""
    at = datetime(2030, 1, 1, 12, tzinfo=UTC)

    later = analyze.options(delay_s=1.5, queue="slow").request(("UC1",), {})
    timed = analyze.options(at=at, job_id="analyze:UC1").request(("UC1",), {})

    assert (later.queue, later.delay_ms, later.due_ms, later.unique) == ("slow", 1500, None, False)
    assert (timed.due_ms, timed.job_id, timed.unique) == (1893499200000, "analyze:UC1", True)


async def test_enqueue_many_sends_nothing_when_one_call_does_not_fit() -> None:
    """All calls are checked before the first job is sent."""
    with testing.collect() as collected, pytest.raises(ArgumentsError):
        await analyze.enqueue_many([{"channel_id": "UC1"}, {"channel_id": 2}])

    assert collected.jobs == []


async def test_enqueue_many_returns_a_handle_for_each_call_in_order() -> None:
    """The handles are in the order of the calls."""
    with testing.collect() as collected:
        handles = await analyze.enqueue_many([{"channel_id": f"UC{n}"} for n in range(5)])

    assert [handle.id for handle in handles] == [one.job_id for one in collected.jobs]
    assert [one.args for one in collected.jobs] == [()] * 5
    assert [one.kwargs["channel_id"] for one in collected.jobs] == [f"UC{n}" for n in range(5)]


def _force(**kwargs: Any) -> dict[str, Any]:
    return {**kwargs, "force": False}
