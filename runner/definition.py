"""What a job is, without Redis or arq: its coroutine, name, queue, options, arguments."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from runner.errors import ConfigurationError
from runner.schema import Arguments, JobSchema

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from runner.retry import Backoff


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

    is_chore = False
    """Whether it is a worker's own, such as the poll: not logged while it succeeds."""

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

    @functools.cached_property
    def schema(self) -> JobSchema:
        """
        The types of its arguments and its result.

        Raises:
            ConfigurationError: A name in the signature cannot be found, or a type cannot travel.
        """
        keeps_result = self.options_of_worker.keep_result_s != 0
        return JobSchema(self.name, self.coroutine, keeps_result=keeps_result)

    def check(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Arguments:
        """
        Check the arguments of a Python call strictly against the signature, and return them.

        Raises:
            ArgumentsError: They do not fit.
        """
        return self.schema.check(args, kwargs)

    def parse(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Arguments:
        """
        Convert arguments read from JSON to the types of the signature.

        Raises:
            ArgumentsError: They do not fit.
        """
        return self.schema.parse(args, kwargs)

    def write_result(self, result: Any) -> Any:
        """
        Return what the coroutine returned as JSON.

        Raises:
            ResultError: It does not fit the signature, or does not come back equal from JSON.
        """
        return self.schema.write_result(result)

    def prepare(self) -> None:
        """
        Build now what checks arguments: the first call would block the loop with it.

        Raises:
            ConfigurationError: A name in the signature cannot be found, or a type cannot travel.
        """
        self.schema  # noqa: B018 -- built at first use

    def __repr__(self) -> str:
        return f"<job {self.name} on {self.queue}>"
