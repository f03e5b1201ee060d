"""Arguments as they may be shown: by name, without secrets."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from runner.redaction import MOST_CHARACTERS, redacted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runner.decorator import Job


@dataclass(frozen=True, slots=True)
class Known:
    """One job: the names of its parameters, and those whose values are secret."""

    parameters: tuple[str, ...] = ()
    redact: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Catalog:
    """The jobs that this process knows. Arguments of others are redacted by their names alone."""

    jobs: Mapping[str, Known] = field(default_factory=dict)

    @classmethod
    def of(cls, jobs: Iterable[Job[Any, Any]]) -> Catalog:
        """Read names and secrets of *jobs* from their signatures and options."""
        return cls(
            {
                job.name: Known(
                    tuple(inspect.signature(job.coroutine).parameters)[1:],
                    job.options_of_worker.redact,
                )
                for job in jobs
            }
        )

    def arguments(
        self,
        name: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *,
        inputs: object = None,
        most: int = MOST_CHARACTERS,
    ) -> dict[str, Any]:
        """
        Arguments by name as JSON values, secrets replaced, long ones cut.

        inputs: of a node of a flow, what it gets from others; the body has null in its place. most:
        about how many characters all of them may have.
        """
        known = self.jobs.get(name, Known())
        names = known.parameters[: len(args)]
        # A body from elsewhere may carry more arguments than there are parameters.
        positional = {
            parameter or f"argument {place}": value
            for place, (parameter, value) in enumerate(zip_longest(names, args), 1)
        }
        shown = redacted({**positional, **kwargs}, known.redact, most=most)
        for one in inputs if isinstance(inputs, list) else ():
            match one:
                case [["a", int(place)], str(node), _] if 0 <= place < len(positional):
                    shown[[*positional][place]] = _passed(node)
                case [["k", str(parameter)], str(node), _] if parameter in kwargs:
                    shown[parameter] = _passed(node)
        return shown

    def result(self, name: str, value: Any) -> Any:
        """A job's result, redacted likewise."""
        known = self.jobs.get(name, Known())
        return redacted({"result": value}, known.redact - {"result"})["result"]


def _passed(node: str) -> str:
    """What stands for a result of another node, which was not written into the body."""
    return f"(from node {node.rstrip('*')[:20]})"
