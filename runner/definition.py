"""What a job is, without Redis or arq: its coroutine, name, queue, options, arguments."""

from __future__ import annotations

import functools
import inspect
import math
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, cast

from runner.checks import shown
from runner.errors import ConfigurationError
from runner.redaction import is_secret_name
from runner.schema import Arguments, JobSchema
from runner.threads import in_thread
from runner.unique import CHANGES_ANOTHER

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence

    from runner.lanes import Lane
    from runner.retry import Backoff
    from runner.unique import Unique

_BY_NAME = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
_BY_POSITION = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}


@dataclass(frozen=True, slots=True)
class JobOptions:
    """How the worker treats a job; None leaves it to the queue's settings class."""

    max_retries: int | None = None
    timeout_s: float | None = None
    keep_result_s: float | None = None
    backoff: Backoff | None = None
    redact: frozenset[str] = frozenset()
    unique: Unique | None = None
    lane: Lane | None = None
    start_within_s: float | None = None
    deadline_s: float | None = None
    priority: int = 0


class JobDefinition:
    """
    A coroutine with a name, a queue, rules for its retries, and the types of its arguments.

    in_thread: made of a plain function, which it runs in a thread.
    """

    fails_at_once = False
    """Whether any exception ends it, as in arq: only `Retry` runs it again."""

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        queue: str,
        name: str,
        options: JobOptions,
    ) -> None:
        problem = _problem(function)
        if problem is not None:
            raise ConfigurationError(f"{name}: {problem}")
        self.in_thread = not inspect.iscoroutinefunction(function)
        self.coroutine: Callable[..., Coroutine[Any, Any, Any]]
        self.coroutine = in_thread(function) if self.in_thread else function
        self.queue = queue
        self.name = name
        self.options_of_worker = options
        functools.update_wrapper(cast("Callable[..., Any]", self), function)

    @functools.cached_property
    def schema(self) -> JobSchema:
        """
        The types of its arguments and its result.

        Raises:
            ConfigurationError: A name in the signature cannot be found, or a type cannot travel.
        """
        keeps_result = self.options_of_worker.keep_result_s != 0
        return JobSchema(self.name, self.coroutine, keeps_result=keeps_result)

    @functools.cached_property
    def passing_schema(self) -> JobSchema:
        """
        Its types where others get its result, though that may not be kept.

        Raises:
            ConfigurationError: The type of its result cannot travel.
        """
        if self.options_of_worker.keep_result_s != 0:
            return self.schema
        return JobSchema(self.name, self.coroutine)

    def schema_without(self, parameters: frozenset[str]) -> JobSchema:
        """Return the types of its arguments, where anything is right for these *parameters*."""
        if not parameters:
            return self.schema
        known = self._schemas_without
        if parameters not in known:
            known[parameters] = JobSchema(self.name, self.coroutine, loose=parameters)
        return known[parameters]

    @functools.cached_property
    def _schemas_without(self) -> dict[frozenset[str], JobSchema]:
        return {}

    def parameter_at(self, place: int) -> str:
        """Return the name of the parameter that gets the argument at *place*, from 0."""
        names = list(inspect.signature(self.coroutine).parameters)[1:]
        return names[min(place, len(names) - 1)] if names else ""

    def check(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Arguments:
        """
        Check the arguments of a Python call strictly against the signature, and return them.

        Raises:
            ArgumentsError: They do not fit.
        """
        return self.schema.check(args, kwargs)

    def parse(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], job_id: str = ""
    ) -> Arguments:
        """
        Convert arguments read from JSON to the types of the signature.

        job_id: opens what was sealed for this job.

        Raises:
            ArgumentsError: They do not fit.
            SecretError: A sealed one does not open.
        """
        return self.schema.parse(args, kwargs, job_id)

    def write_result(self, result: Any) -> Any:
        """
        Return what the coroutine returned as JSON.

        Raises:
            ResultError: It does not fit the signature, or does not come back equal from JSON.
        """
        return self.schema.write_result(result)

    @functools.cached_property
    def names_secrets(self) -> bool:
        """Whether a parameter is to be redacted, or its name sounds like a secret's."""
        names = list(inspect.signature(self.coroutine).parameters)[1:]
        return bool(self.options_of_worker.redact) or any(map(is_secret_name, names))

    def by_name(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return arguments by the names of their parameters."""
        names = self._names[: len(args)]
        # zip_longest: a body from another client may have more arguments than there are parameters.
        positional = {
            name or f"argument {place}": value
            for place, (name, value) in enumerate(zip_longest(names, args), 1)
        }
        return {**positional, **kwargs}

    @functools.cached_property
    def defaults(self) -> dict[str, Any]:
        """Values of the parameters that may be left out."""
        own = list(inspect.signature(self.coroutine).parameters.values())[1:]
        return {one.name: one.default for one in own if one.default is not inspect.Parameter.empty}

    def surplus(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[str]:
        """Return which of these arguments the coroutine has no parameters for; '+3' by position."""
        by_name, by_position = self._parameters
        if (by_name is None or by_name.issuperset(kwargs)) and len(args) <= by_position:
            return []
        unknown = [] if by_name is None else sorted(kwargs.keys() - by_name)
        return [*unknown, f"+{len(args)}"] if len(args) > by_position else unknown

    def takes(self, parameters: Iterable[str]) -> bool:
        """Whether the coroutine has these parameters, as `surplus` names them."""
        by_name, by_position = self._parameters
        return all(
            int(one[1:]) <= by_position
            if one.startswith("+")
            else by_name is None or one in by_name
            for one in parameters
        )

    def unique_problem(self, unique: Unique) -> str | None:
        """
        Return what is wrong with *unique* for this job; None if nothing is.

        Raises:
            ConfigurationError: A name in the job's signature cannot be found.
        """
        names, schema = self.parameter_names, self.schema
        problem = self._by_problem("unique", unique.by or ())
        if problem is not None:
            return problem
        if any(map(schema.seals, names if unique.by is None else unique.by)):
            return "unique: a sealed argument differs each time: name others in by"
        if schema.holds_secrets and unique.on_conflict in CHANGES_ANOTHER:
            return (
                f"unique: on_conflict={unique.on_conflict!r} gives a job the arguments of another "
                "call, and what is sealed opens in its own job alone: use 'skip' or 'raise'"
            )
        return None

    def lane_problem(self, lane: Lane) -> str | None:
        """
        Return what is wrong with *lane* for this job; None if nothing is.

        Raises:
            ConfigurationError: A name in the job's signature cannot be found.
        """
        problem = self._by_problem("lane", lane.arguments)
        if problem is None and any(map(self.schema.seals, lane.arguments)):
            return "lane: a sealed argument differs each time: name others in by"
        return problem

    def _by_problem(self, what: str, by: Iterable[str]) -> str | None:
        names = self.parameter_names
        for name in by:
            if name not in names and not self.takes_any_name:
                known = ", ".join(names) or "it has none"
                return f"{what}: there is no parameter {shown(name)} for by: choose from {known}"
        return None

    def hides(self, parameters: Iterable[str]) -> bool:
        """Whether one of *parameters* is to be redacted, or its name sounds like a secret's."""
        redact = self.options_of_worker.redact
        return any(one in redact or is_secret_name(one) for one in parameters)

    @functools.cached_property
    def _names(self) -> tuple[str, ...]:
        """The names of all its parameters behind the Context, in their order."""
        return tuple(inspect.signature(self.coroutine).parameters)[1:]

    @functools.cached_property
    def parameter_names(self) -> tuple[str, ...]:
        """The names of the parameters that may be given one by one, behind the Context."""
        own = list(inspect.signature(self.coroutine).parameters.values())[1:]
        return tuple(one.name for one in own if one.kind in _BY_NAME | _BY_POSITION)

    @property
    def takes_any_name(self) -> bool:
        """Whether the coroutine takes arguments by any name."""
        return self._parameters[0] is None

    @functools.cached_property
    def _parameters(self) -> tuple[frozenset[str] | None, float]:
        """Names of parameters, None for any, and how many arguments there may be by position."""
        own = list(inspect.signature(self.coroutine).parameters.values())[1:]
        kinds = {parameter.kind for parameter in own}
        names = [p.name for p in own if p.kind in _BY_NAME]
        by_position = sum(p.kind in _BY_POSITION for p in own)
        return (
            None if inspect.Parameter.VAR_KEYWORD in kinds else frozenset(names),
            math.inf if inspect.Parameter.VAR_POSITIONAL in kinds else by_position,
        )

    def prepare(self) -> None:
        """
        Build now what checks arguments: the first call would block the loop with it.

        Raises:
            ConfigurationError: A name in the signature cannot be found, or a type cannot travel.
        """
        self.schema, self._parameters, self.names_secrets  # noqa: B018 -- built at first use

    def __repr__(self) -> str:
        return f"<job {self.name} on {self.queue}>"


def _problem(function: object) -> str | None:
    if not inspect.isroutine(function) or inspect.isclass(function):
        return "a job is a function, `async def` or `def`"
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return "a job returns once: it cannot be a generator, with `yield`"
    if not list(inspect.signature(function).parameters)[:1]:
        return "a job's first parameter is its Context"
    return None
