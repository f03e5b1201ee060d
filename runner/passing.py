"""
What nodes of flows pass on: how a result travels to those that need it, and how they read it.

In a body, `in` has a list of `[where, from, path]`: where among the arguments the value belongs,
of which node it comes, and the path from that node's result to it. From `4*` comes the list of all
results of a map. In a path, null stands for the place of the job itself within its map. `out` is
there if others need the job's result: paths to lists in it whose lengths are to be known.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner.codec import decode
from runner.errors import CodecError, RunnerError
from runner.references import put_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Fetch = Callable[["Sequence[str]"], Awaitable[list[bytes | None]]]
"""Gives what stands under these names among what a flow's nodes have passed on."""

_PLACE = re.compile(r"\.(\d+)(?:~\d+)?$")


class InputMissingError(RunnerError):
    """What a node needs is not there, or has another form."""


@dataclass(frozen=True, slots=True)
class Failed:
    """In place of the result of a node that has failed, if its flow goes on: why it did."""

    error: str
    message: str = ""


def passed_on(result: bytes, lengths_of: Sequence[Sequence[str | int]]) -> bytes:
    """
    Return what is sent of a result that others need.

    Raises:
        InputMissingError: A map goes over a part of it that is no list.
    """
    lengths = []
    if lengths_of:
        value = decode(result)
        for path in lengths_of:
            found = _part(value, path, "the result")
            if type(found) is not list:
                raise InputMissingError(
                    f"the result{_shown(path)} is no list, and a map goes over it"
                )
            lengths.append(b"%d" % len(found))
    return b"%b\n%b" % (b" ".join(lengths), result)


async def filled(
    fetch: Fetch,
    job_id: str,
    inputs: Sequence[Sequence[Any]],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """
    Return the arguments with what other nodes have passed on.

    Raises:
        InputMissingError: It is not there, or has no such part.
    """
    try:
        wanted = [_Wanted.of(job_id, *one) for one in inputs]
        lists = sorted({one.name for one in wanted if one.is_list})
        counts = dict(zip(lists, await fetch([f"{name}#" for name in lists]), strict=True))
        names = dict.fromkeys(
            name for one in wanted for name in one.names(int(counts.get(one.name) or 0))
        )
        found = dict(zip(names, await fetch([*names]), strict=True))
        values = [(one.where, one.value(found, int(counts.get(one.name) or 0))) for one in wanted]
        return put_in(args, kwargs, values)
    except (TypeError, ValueError, LookupError, AttributeError, CodecError) as error:
        raise InputMissingError(
            f"its inputs cannot be read: {type(error).__name__}: {error}"
        ) from error


@dataclass(frozen=True, slots=True)
class _Wanted:
    where: list[str | int]
    name: str
    path: list[str | int]
    is_list: bool

    @classmethod
    def of(cls, job_id: str, where: list[str | int], source: str, path: list[Any]) -> _Wanted:
        own = _PLACE.search(job_id)
        if None in path and own is None:
            raise ValueError("it has no place in a map")
        path = [int(own[1]) if one is None and own else one for one in path]
        name = source.removesuffix("*")
        if name != source and path:
            return cls(where, f"{name}.{path[0]}", path[1:], is_list=False)
        return cls(where, name, path, is_list=name != source)

    def names(self, count: int) -> list[str]:
        return [f"{self.name}.{at}" for at in range(count)] if self.is_list else [self.name]

    def value(self, found: Mapping[str, bytes | None], count: int) -> Any:
        values = [_value(name, found[name]) for name in self.names(count)]
        if self.is_list:
            return values
        [value] = values
        return value if type(value) is Failed else _part(value, self.path, f"node {self.name}")


def _value(name: str, data: bytes | None) -> Any:
    if data is None:
        raise InputMissingError(f"node {name} has passed nothing on, or it is not there any more")
    if not data.startswith(b"!"):
        return decode(data)
    fields = decode(data[1:])
    return Failed(str(fields.get("error", "Aborted")), str(fields.get("message", "")))


def _part(value: Any, path: Sequence[str | int], what: str) -> Any:
    for at, one in enumerate(path, 1):
        try:
            value = value[one]
        except (TypeError, LookupError):
            raise InputMissingError(f"{what} has nothing at {_shown(path[:at])}") from None
    return value


def _shown(path: Sequence[str | int]) -> str:
    return "".join(f"[{one!r}]" for one in path)
