"""
A flow: jobs of which some need the results of others.

    flow = Flow("report")
    data = flow.add(fetch.call(url=url))
    parts = flow.map(draw.call, over=data.out.charts)
    done = flow.add(bind.call(pages=parts.out))
    page = await (await flow.start()).result(done, timeout_s=60)

A flow is a batch whose jobs, its nodes, wait for each other: what ends a node enqueues the nodes
that needed it last, in the same step of a script.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar, cast, overload

from runner import chance
from runner.batch import Batch
from runner.checks import shown, text
from runner.current import current_client, memory_here
from runner.enqueue import FlowPlan, PlannedNode, Wiring
from runner.errors import ConfigurationError, refuse
from runner.flow_run import FlowRun, RunNode, start_in_redis
from runner.references import UNKNOWN, Input, Path, Reference, Shape, parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from runner.decorator import Call
    from runner.enqueue import Enqueue
    from runner.passing import Failed

R = TypeVar("R")
T = TypeVar("T")

OnFailure = Literal["wait", "go_on", "cancel"]

_MOST_NODES = 100_000
_MOST_FOLLOWERS = 10_000
_FAILED = Shape.of(
    *[{"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}] * 2
)

prev: Final[Any] = Reference("the step before", UNKNOWN)
"""In `chain`: the result of the step before; after a group, the list of its results."""


@dataclass(eq=False)
class Node(Generic[R]):
    """A job of a flow, or a job for each item of a list."""

    flow: Flow
    number: int
    call: Call[Any]
    on_failure: OnFailure
    needs: set[int]
    over: Reference | None = None
    lengths: list[list[str | int]] = field(default_factory=list)
    is_needed: bool = False
    _shape: Shape = UNKNOWN

    @property
    def out(self) -> R:
        """
        Its result, as an argument of calls in the same flow: a reference until the flow runs.

        Its type is that of the result, so type checkers see plain calls.
        """
        return cast("R", Reference(self, self._shape))

    def __repr__(self) -> str:
        return f"{self.call.job.name} (node {self.number})"


class Flow:
    """
    Jobs of which some need the results of others.

    name: for people. id: start it once under this id; by default a random one. complete, success
    and death: jobs that are enqueued as `Batch` does. parent: the batch that it is in, or its id,
    such as `ctx.batch_id`, as of a `Batch`; in a cancelled one it does not start.
    """

    def __init__(
        self,
        name: str = "",
        *,
        id: str | None = None,  # noqa: A002 -- as the attribute
        complete: Call[Any] | None = None,
        success: Call[Any] | None = None,
        death: Call[Any] | None = None,
        parent: Batch | str | None = None,
    ) -> None:
        refuse(
            "Flow",
            text("name", name) if name else None,
            None if id is None else text("id", id),
            None if parent is None or isinstance(parent, Batch) else text("parent", parent),
        )
        self.id = chance.new_id() if id is None else id
        self.name = name
        self.parent = parent.id if isinstance(parent, Batch) else parent
        refuse("Flow", "it cannot be in itself" if self.parent == self.id else None)
        self.nodes: list[Node[Any]] = []
        self._token = chance.new_id()
        calls = {"complete": complete, "success": success, "death": death}
        self._callbacks = {
            how: call.callback(f"{self.id}:{how}")
            for how, call in calls.items()
            if call is not None
        }

    def __repr__(self) -> str:
        return f"<flow {self.name or self.id}>"

    @overload
    def add(
        self,
        call: Call[R],
        *,
        after: Iterable[Node[Any]] = (),
        on_failure: Literal["wait", "cancel"] = "wait",
    ) -> Node[R]: ...

    @overload
    def add(
        self, call: Call[R], *, after: Iterable[Node[Any]] = (), on_failure: Literal["go_on"]
    ) -> Node[R | Failed]: ...

    def add(
        self, call: Call[Any], *, after: Iterable[Node[Any]] = (), on_failure: OnFailure = "wait"
    ) -> Node[Any]:
        """
        Add a job; it starts once the jobs have ended whose results it needs.

        after: nodes that it waits for, and whose results it does not need. on_failure: what follows
        if it fails for good: those that need it wait until it is retried and done ("wait"), they
        start, with `Failed` in place of its result ("go_on"), or no node starts any more
        ("cancel").

        Raises:
            ConfigurationError: It needs what is in another flow, or a result that cannot fit.
        """
        return self._add(call, None, after, on_failure)

    @overload
    def map(
        self,
        call: Callable[[T], Call[R]],
        over: Iterable[T],
        *,
        after: Iterable[Node[Any]] = (),
        on_failure: Literal["wait", "cancel"] = "wait",
    ) -> Node[list[R]]: ...

    @overload
    def map(
        self,
        call: Callable[[T], Call[R]],
        over: Iterable[T],
        *,
        after: Iterable[Node[Any]] = (),
        on_failure: Literal["go_on"],
    ) -> Node[list[R | Failed]]: ...

    def map(
        self,
        call: Callable[[T], Call[R]],
        over: Iterable[T],
        *,
        after: Iterable[Node[Any]] = (),
        on_failure: OnFailure = "wait",
    ) -> Node[Any]:
        """
        Add a job for each item of a list that is known only once another node is done.

        call: makes the job of one item: `draw.call`, or a lambda where it takes more than that.
        over: the list, such as `data.out.charts`. Its results are a list in the same order. At most
        500 of its jobs stand in their queue at a time. on_failure: as in `add`, of each job.

        Raises:
            ConfigurationError: *over* is no list of a node's result.
        """
        if type(over) is not Reference:
            raise ConfigurationError(
                f"{self!r}: map goes over a list of a node's result, such as data.out.charts: "
                "add a job for each item of a list that is known already"
            )
        source, shape, path = parts(over)
        item = shape.item(None)
        if item is None or not isinstance(source, Node):
            raise ConfigurationError(f"{self!r}: {over!r} is no list: map goes over lists")
        if source.on_failure == "go_on" and source.over is None:
            raise ConfigurationError(
                f"{self!r}: map goes over a result of {source}, in place of which Failed may stand"
            )
        if source.over is not None and path:
            raise ConfigurationError(f"{self!r}: map goes over all results of {source}, or none")
        one: Any = Reference(source, item, (*path, None))
        return self._add(call(one), over, after, on_failure)

    def _add(
        self,
        call: Call[Any],
        over: Reference | None,
        after: Iterable[Node[Any]],
        on_failure: OnFailure,
    ) -> Node[Any]:
        refuse(
            f"{self!r}",
            None
            if on_failure in {"wait", "go_on", "cancel"}
            else f"on_failure is {on_failure!r}: give 'wait', 'go_on' or 'cancel'",
            None
            if hasattr(call, "planned")
            else f"{shown(call)} is no call: give draw.call(…), without enqueue",
            None if len(self.nodes) < _MOST_NODES else f"more than {_MOST_NODES:,} nodes: map them",
        )
        needs = set()
        for one in [*call.inputs, *([] if over is None else [Input((), over)])]:
            needs.add(self._need(call, one, is_map=over is not None).number)
        for other in after:
            needs.add(self._own(other, call).number)
        if over is not None:
            source, _, path = parts(over)
            if source.over is None and list(path) not in source.lengths:
                source.lengths.append([*path])
        shape = call.job.passing_schema.shape_of_result
        node: Node[Any] = Node(
            self, len(self.nodes) + 1, call, on_failure, needs, over,
            _shape=shape if over is None else _list_of(shape),
        )  # fmt: skip
        self.nodes.append(node)
        return node

    def _own(self, node: object, call: Call[Any]) -> Node[Any]:
        if not isinstance(node, Node) or node.flow is not self:
            raise ConfigurationError(
                f"{self!r}: {call.job.name} needs {node}, which is in another flow or in none"
            )
        return node

    def _need(self, call: Call[Any], one: Input, *, is_map: bool) -> Node[Any]:
        """
        Note that *call* needs a result.

        Raises:
            ConfigurationError: It is in no node of this flow, or cannot fit.
        """
        source, shape, path = parts(one.reference)
        node = self._own(source, call)
        if None in path and not is_map:
            raise ConfigurationError(
                f"{self!r}: {call.job.name} gets an item of {node}: only jobs of a map do"
            )
        node.is_needed = True
        if one.where:
            parameter, *inner = _of_parameter(call, one.where)
            taken: Shape | None = call.job.schema.shape_of(str(parameter))
            for at in inner:
                taken = taken and taken.item(at)
            fits = taken is not None and shape.may_fit(taken)
            if fits and taken is not None and node.on_failure == "go_on":
                is_list = node.over is not None and not path
                fits = (_list_of(_FAILED) if is_list else _FAILED).may_fit(taken)
            if not fits:
                raise ConfigurationError(
                    f"{self!r}: {call.job.name}: {parameter} cannot be {one.reference!r}"
                    + (", or Failed" if node.on_failure == "go_on" else "")
                )
        return node

    async def start(self) -> FlowRun:
        """
        Enqueue the jobs that need no others; the rest follows by itself.

        Nothing runs before the whole flow is in Redis. To start it again after an error is safe; a
        flow starts once.

        Raises:
            ConfigurationError: It has no node.
            EnqueueError: Redis did not take it.
        """
        plan = self._plan()
        run = FlowRun(
            self.id,
            [
                RunNode(one.number, one.over is not None, one.call.queue, one.call.job)
                for one in self.nodes
            ],
            self.last,
        )
        memory = memory_here()
        if memory is not None:
            run.created = await memory.start_flow(plan)
        else:
            run.created = await start_in_redis(current_client(), plan)
        return run

    @property
    def last(self) -> int | list[int]:
        """Number of the node that nobody needs, or numbers, if there are several."""
        needed = set().union(*[one.needs for one in self.nodes])
        found = [one.number for one in self.nodes if one.number not in needed]
        return found[0] if len(found) == 1 else found

    def _plan(self) -> FlowPlan:
        if not self.nodes:
            raise ConfigurationError(f"{self!r} has no jobs: add some before you start it")
        needed_by: dict[int, list[int]] = {one.number: [] for one in self.nodes}
        for one in self.nodes:
            for number in sorted(one.needs):
                needed_by[number].append(one.number)
        for one in self.nodes:
            if len(needed_by[one.number]) > _MOST_FOLLOWERS:
                raise ConfigurationError(
                    f"{self!r}: more than {_MOST_FOLLOWERS:,} nodes need {one}: map them"
                )
        nodes = [
            PlannedNode(
                one.number,
                self._request(one),
                one.on_failure,
                sorted(one.needs),
                needed_by[one.number],
                "" if one.over is None else _counted_at(one.over),
            )
            for one in self.nodes
        ]
        return FlowPlan(self.id, self._token, self.name, nodes, self._callbacks, self.parent)

    def _request(self, node: Node[Any]) -> Enqueue:
        request = node.call.planned(f"{self.id}:{node.number}", _wiring(node))
        request.batch_id = self.id
        return request


@dataclass(frozen=True)
class Group:
    """Calls that run side by side; a step of a `chain`."""

    calls: Sequence[Call[Any]]

    async def start(self, name: str = "") -> FlowRun:
        """Start them as a flow of their own."""
        return await chain(self, name=name).start()


def group(*calls: Call[Any]) -> Group:
    """
    Return these calls as one step: they run side by side.

    Raises:
        ConfigurationError: There are none.
    """
    refuse("group", None if calls else "give at least one call")
    return Group(calls)


def chain(*steps: Call[Any] | Group, name: str = "", on_failure: OnFailure = "wait") -> Flow:
    """
    Return a flow of these steps, each after the one before, whose result is `prev` in it.

        flow = chain(fetch.call(url=url), group(draw.call(prev), count.call(prev)), send.call(prev))

    Raises:
        ConfigurationError: There are none, or a result cannot fit.
    """
    flow = Flow(name)
    refuse("chain", None if steps else "give at least one call")
    before: list[Node[Any]] = []
    was_group = False
    for step in steps:
        calls = step.calls if isinstance(step, Group) else [step]
        results = [node.out for node in before]
        value = results if was_group or not results else results[0]
        before = [
            flow._add(_after(call, value), None, before, on_failure)  # noqa: SLF001 -- its own module
            for call in calls
        ]
        was_group = isinstance(step, Group)
    return flow


def _after(call: Call[Any], value: Any) -> Call[Any]:
    """Return *call* with the result of the step before in place of `prev`."""
    values = []
    for one in call.inputs:
        source, _, path = parts(one.reference)
        if parts(prev)[0] != source:
            values.append((one.where, one.reference))
        elif value == []:
            raise ConfigurationError(f"{call.job.name}: prev: there is no step before it")
        else:
            values.append((one.where, _part_of(value, path)))
    return call.with_inputs(values)


def _part_of(value: Any, path: Path) -> Any:
    for at in path:
        try:
            value = getattr(value, at) if isinstance(at, str) else value[at]
        except (ConfigurationError, AttributeError):
            value = value[at]
    return value


def _of_parameter(call: Call[Any], where: tuple[str | int, ...]) -> tuple[str | int, ...]:
    kind, first, *inner = where
    if kind == "k":
        return first, *inner
    return call.job.parameter_at(int(first)), *inner


def _list_of(shape: Shape) -> Shape:
    return Shape(
        {"type": "array", "items": shape.schema},
        {"type": "array", "items": shape.by_name},
        shape.whole,
        shape.whole_by_name,
    )


def _counted_at(over: Reference) -> str:
    source, _, path = parts(over)
    if source.over is not None:
        return f"{source.number}#"
    return f"{source.number}#{source.lengths.index([*path])}"


def _wiring(node: Node[Any]) -> Wiring:
    inputs = []
    for one in node.call.inputs:
        source, _, path = parts(one.reference)
        name = f"{source.number}{'' if source.over is None else '*'}"
        inputs.append([[*one.where], name, [*path]])
    parameters = frozenset(str(_of_parameter(node.call, one.where)[0]) for one in node.call.inputs)
    return Wiring(parameters, inputs, node.lengths if node.is_needed else None)
