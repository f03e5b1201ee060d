"""
References: a job's result, or a part of it, that stands among the arguments of another call.

Its shape is the JSON schema of what it refers to, so that what cannot fit is refused when a flow is
built. What the worker reads later is JSON, too.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runner.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Path = tuple[str | int | None, ...]
"""From a value to a part of it; None: the place of the job that reads it within its map."""

_DEEPEST = 8
"""How far two schemas are compared."""


@dataclass(frozen=True)
class Shape:
    """
    What is known of a value's JSON.

    by_name: the same schema by the names that Python has for its fields. Empty: nothing is known.
    """

    schema: Mapping[str, Any]
    by_name: Mapping[str, Any]
    whole: Mapping[str, Any]
    """In which references are resolved."""
    whole_by_name: Mapping[str, Any]

    @classmethod
    def of(cls, schema: Mapping[str, Any], by_name: Mapping[str, Any]) -> Shape:
        """Return the shape that these two describe, with their definitions."""
        return cls(schema, by_name, schema, by_name)

    def inner(self, schema: Any, by_name: Any) -> Shape:
        """Return the shape that these describe within it."""
        return Shape(schema, by_name, self.whole, self.whole_by_name)

    def variants(self) -> Iterator[Shape]:
        """Yield it, or what it may be one of."""
        schema, by_name = (
            _target(self.schema, self.whole),
            _target(self.by_name, self.whole_by_name),
        )
        for key in ("anyOf", "oneOf"):
            if key in schema and key in by_name:
                for one, named in zip(schema[key], by_name[key], strict=True):
                    yield from self.inner(one, named).variants()
                return
        yield self.inner(schema, by_name)

    def field(self, name: str) -> tuple[str, Shape] | None:
        """Return under which key of the JSON a field stands, and its shape; None if none does."""
        is_known = True
        for one in self.variants():
            names, keys = one.by_name.get("properties"), one.schema.get("properties")
            if names is not None and keys is not None:
                for own, key in zip(names, keys, strict=True):
                    if own == name:
                        return key, one.inner(keys[key], names[own])
            elif one.kind in {None, "object"}:
                is_known = False
        return None if is_known else (name, UNKNOWN)

    def item(self, at: str | int | None) -> Shape | None:
        """Return the shape of an item of a list, or of a value of a mapping; None if it is none."""
        found = None
        for one in self.variants():
            if one.kind is None:
                return UNKNOWN
            if isinstance(at, str):
                if one.kind == "object":
                    inner = one.schema.get("additionalProperties")
                    found = (
                        one.inner(inner, one.by_name["additionalProperties"])
                        if isinstance(inner, dict)
                        else UNKNOWN
                    )
            elif one.kind == "array":
                first = one.schema.get("prefixItems")
                if first and at is not None and at < len(first):
                    found = one.inner(first[at], one.by_name["prefixItems"][at])
                elif isinstance(one.schema.get("items"), dict):
                    found = one.inner(one.schema["items"], one.by_name["items"])
                else:
                    found = UNKNOWN
        return found

    @property
    def kind(self) -> str | None:
        """Its JSON type; None if that is not known."""
        kind = self.schema.get("type")
        return kind if isinstance(kind, str) else None

    def may_fit(self, other: Shape, depth: int = 0) -> bool:
        """Whether some value of it may be one of *other*."""
        return depth > _DEEPEST or any(
            _may_be(one, two, depth) for one in self.variants() for two in other.variants()
        )


def _target(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> Mapping[str, Any]:
    for _ in range(_DEEPEST):
        ref = schema.get("$ref")
        if not isinstance(ref, str):
            return schema
        schema = whole.get("$defs", {}).get(ref.rpartition("/")[2], {})
    return {}


_FITS_AS_WELL = {("integer", "number"), ("number", "integer"), ("boolean", "integer")}


def _may_be(one: Shape, other: Shape, depth: int) -> bool:
    if one.kind is None or other.kind is None:
        return True
    if one.kind != other.kind:
        return (one.kind, other.kind) in _FITS_AS_WELL
    if one.kind == "array":
        mine, theirs = one.item(None), other.item(None)
        return mine is None or theirs is None or mine.may_fit(theirs, depth + 1)
    if one.kind == "object":
        have, want = one.schema.get("properties"), other.schema.get("properties")
        if have is None or want is None:
            return True
        return all(key in have for key in other.schema.get("required", ())) and all(
            one.inner(have[key], have[key]).may_fit(other.inner(want[key], want[key]), depth + 1)
            for key in want
            if key in have
        )
    return True


UNKNOWN: Final = Shape({}, {}, {}, {})


class Reference:
    """
    The result of a node, or a part of it, in a flow that is being built.

    Its attributes and items are references to the parts of the result.
    """

    __slots__ = ("_path", "_shape", "_source")

    def __init__(self, source: object, shape: Shape, path: Path = ()) -> None:
        self._source = source
        self._shape = shape
        self._path = path

    def __getattr__(self, name: str) -> Reference:
        if name.startswith("_"):
            raise AttributeError(name)
        found = self._shape.field(name)
        if found is None:
            raise ConfigurationError(
                f"{self!r} has no {name!r}: it is not a field of the result, which is JSON by then"
            )
        key, shape = found
        return Reference(self._source, shape, (*self._path, key))

    def __getitem__(self, at: str | int) -> Reference:
        if not isinstance(at, str | int):
            raise ConfigurationError(f"{self!r}[…]: give a number or a text, and no slice")
        shape = self._shape.item(at)
        if shape is None:
            raise ConfigurationError(f"{self!r} has no items by {at!r}")
        return Reference(self._source, shape, (*self._path, at))

    def _refuse(self, *_: object) -> Any:
        raise ConfigurationError(
            f"{self!r} is not known yet: pass it to a job, or go over its items by flow.map"
        )

    __iter__ = __len__ = __bool__ = __call__ = __contains__ = _refuse

    def __repr__(self) -> str:
        return f"<the result of {self._source}{''.join(f'[{one!r}]' for one in self._path)}>"


def parts(reference: Reference) -> tuple[Any, Shape, Path]:
    """Return of what *reference* is a part, what is known of it, and where it stands there."""
    return reference._source, reference._shape, reference._path  # noqa: SLF001 -- its own module


@dataclass(frozen=True)
class Input:
    """A reference among the arguments of a call. where: as in a body's `in`."""

    where: tuple[str | int, ...]
    reference: Reference


def taken_out(
    args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any], tuple[Input, ...]]:
    """Return the arguments with None in place of each reference, and the references."""
    found: list[Input] = []
    plain_args = tuple(_without(value, ("a", at), found) for at, value in enumerate(args))
    plain = {name: _without(value, ("k", name), found) for name, value in kwargs.items()}
    return plain_args, plain, tuple(found)


def _without(value: Any, where: tuple[str | int, ...], found: list[Input]) -> Any:
    kind = type(value)
    if kind is Reference:
        found.append(Input(where, value))
        return None
    if kind is list or kind is tuple:
        inner = [_without(one, (*where, at), found) for at, one in enumerate(value)]
        return value if all(a is b for a, b in zip(inner, value, strict=True)) else inner
    if kind is dict:
        items = {key: _without(one, (*where, key), found) for key, one in value.items()}
        return value if all(items[key] is value[key] for key in value) else items
    return value


def put_in(
    args: Sequence[Any], kwargs: Mapping[str, Any], values: Sequence[tuple[Sequence[Any], Any]]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments with each value where it belongs."""
    whole: dict[str, Any] = {"a": copy.deepcopy(list(args)), "k": copy.deepcopy(dict(kwargs))}
    for where, value in values:
        place: Any = whole
        for part in where[:-1]:
            place = place[part]
        place[where[-1]] = value
    return tuple(whole["a"]), whole["k"]
