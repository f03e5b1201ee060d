"""What a job is, without Redis or arq: its coroutine, name, queue, options, arguments."""

from __future__ import annotations

import functools
import inspect
import math
import typing
from dataclasses import dataclass
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ArgsKwargs, SchemaValidator

from runner.errors import ArgumentsError, ConfigurationError

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence

    from runner.retry import Backoff

_BY_NAME = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
_BY_POSITION = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class JobOptions:
    """How the worker treats a job; None leaves it to the queue's settings class."""

    max_retries: int | None = None
    timeout_s: float | None = None
    keep_result_s: float | None = None
    backoff: Backoff | None = None
    redact: frozenset[str] = frozenset()


class JobDefinition:
    """A coroutine with a name, a queue, rules for its retries, and the types of its arguments."""

    fails_at_once = False
    """Whether any exception ends it, as in arq: only `Retry` runs it again."""

    def __init__(
        self,
        coroutine: Callable[..., Coroutine[Any, Any, Any]],
        *,
        queue: str,
        name: str,
        options: JobOptions,
    ) -> None:
        if not inspect.iscoroutinefunction(coroutine):
            raise ConfigurationError(f"{name}: a job is an `async def` function")
        if not list(inspect.signature(coroutine).parameters)[:1]:
            raise ConfigurationError(f"{name}: a job's first parameter is its Context")
        self.coroutine = coroutine
        self.queue = queue
        self.name = name
        self.options_of_worker = options
        functools.update_wrapper(cast("Callable[..., Any]", self), coroutine)

    def check(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Arguments:
        """
        Check the arguments of a Python call strictly against the signature, and return them.

        Arguments that the caller left out stay out: the code that runs the job sets their defaults.

        Raises:
            ArgumentsError: They do not fit.
        """
        checked_args, checked_kwargs = self._validate(args, kwargs, strict=True)
        return checked_args, {name: checked_kwargs[name] for name in kwargs}

    def parse(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Arguments:
        """
        Convert arguments read from JSON to the types of the signature.

        Raises:
            ArgumentsError: They do not fit.
        """
        return self._validate(args, kwargs, strict=False)

    def surplus(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[str]:
        """Return which of these arguments the coroutine has no parameters for; '+3' by position."""
        by_name, by_position = self._parameters
        if (by_name is None or kwargs.keys() <= by_name) and len(args) <= by_position:
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
            ConfigurationError: A name in the signature cannot be found.
        """
        self._validator, self._parameters  # noqa: B018 -- built at first use

    def _validate(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, strict: bool
    ) -> Arguments:
        try:
            checked: Arguments = self._validator.validate_python(
                ArgsKwargs(args, cast("dict[str, Any]", kwargs)), strict=strict
            )
        except ValidationError as error:
            raise ArgumentsError(self.name, _in_one_line(error)) from None
        return checked

    @functools.cached_property
    def _validator(self) -> SchemaValidator:
        """Checks the arguments. Built at first use: the names in the annotations exist by then."""
        signature = inspect.signature(self.coroutine)
        parameters = list(signature.parameters.values())[1:]

        def capture(*args: Any, **kwargs: Any) -> Arguments:
            return args, kwargs

        capture.__annotations__ = {
            parameter.name: parameter.annotation
            for parameter in parameters
            if parameter.annotation is not inspect.Parameter.empty
        }
        try:
            hints = typing.get_type_hints(
                capture, inspect.unwrap(self.coroutine).__globals__, include_extras=True
            )
        except NameError as error:
            raise ConfigurationError(
                f"{self.name}: {error} in its signature: import it outside `if TYPE_CHECKING`, "
                "since arguments are checked against it at run time"
            ) from error
        capture.__annotations__ = hints
        capture.__signature__ = signature.replace(  # type: ignore[attr-defined]  # a function takes it
            parameters=[p.replace(annotation=hints.get(p.name, Any)) for p in parameters],
            return_annotation=inspect.Signature.empty,
        )
        # pydantic takes a function as a type. Keep only the arguments' part of its schema: with the
        # rest, it would also call the function.
        schema: Any = TypeAdapter(cast("Any", capture)).core_schema
        if schema["type"] == "definitions":
            return SchemaValidator({**schema, "schema": schema["schema"]["arguments_schema"]})
        return SchemaValidator(schema["arguments_schema"])

    def __repr__(self) -> str:
        return f"<job {self.name} on {self.queue}>"


def _in_one_line(error: ValidationError) -> str:
    problems = [
        f"{'.'.join(str(part) for part in problem['loc']) or 'arguments'}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return "; ".join(problems)
