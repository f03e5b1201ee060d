"""
Which values of a type might not come back equal from their JSON form.

`doubt_of` reads a type's schema and returns a check of its values, or None if all of them come
back. A value in doubt is encoded, read again and compared; the others, nearly all, are spared that.
A type whose values cannot come back at all raises `ImpossibleError`.

In doubt are: what a custom serializer or validator makes, unions whose members look alike in JSON,
instances of subclasses, fields that are excluded or renamed, `Any` that is not plain JSON, offsets
of less than a minute, NaN, and every kind of schema that this module does not know.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

from pydantic import Secret, SecretBytes, SecretStr

Schema = Mapping[str, Any]
Doubt = Callable[[Any], bool]
"""Whether a value might not come back equal."""


class Trust(Enum):
    """What is known of a value before it is written."""

    CHECKED = "it was validated strictly just before"
    BUILT = "it is part of an instance that was validated when it was built"
    NONE = "nothing"


class ImpossibleError(Exception):
    """No value of the type comes back from JSON; the message says why, in one line."""


def always(_: Any) -> bool:
    """Doubt every value."""
    return True


def doubt_of(schema: Schema, definitions: Mapping[str, Schema], *, trust: Trust) -> Doubt | None:
    """
    Return the check for values of *schema*; None if all of them come back equal.

    trust: what is known of the values before.

    Raises:
        ImpossibleError: None of them does.
    """
    if _holds_secret(schema, definitions):
        raise ImpossibleError(
            "pydantic's secrets are shown as ********** in JSON: use runner.Secret, such as "
            "Secret[str], which is sealed"
        )
    return _Reader(definitions).read(schema, trust=trust)


_PLAIN = frozenset({"type", "metadata", "ref"})
_RANGE = _PLAIN | {"gt", "ge", "lt", "le", "multiple_of"}
_LENGTH = _PLAIN | {"min_length", "max_length"}
_CONSTRAINTS = (_RANGE | _LENGTH | {"pattern", "tz_constraint", "version"}) - _PLAIN
_STRICT = frozenset({"strict"})
_LEAVES: dict[str, tuple[frozenset[str], type[Any]]] = {
    "none": (_PLAIN, type(None)),
    "bool": (_PLAIN | _STRICT, bool),
    "int": (_RANGE | _STRICT, int),
    "str": (_LENGTH | _STRICT | {"pattern", "regex_engine"}, str),
    "date": (_RANGE, date),
    "uuid": (_PLAIN | {"version"}, UUID),
}
_CONTAINERS: dict[str, tuple[frozenset[str], type[Any]]] = {
    "list": (_LENGTH | {"items_schema"}, list),
    "set": (_LENGTH | {"items_schema"}, set),
    "frozenset": (_LENGTH | {"items_schema"}, frozenset),
}
_NEVER_JSON = {
    "is-instance": "has no JSON form: give it a pydantic schema",
    "is-subclass": "is a class: pass its name",
    "callable": "is a function: pass its name",
    "generator": "is read only once: pass a list",
}
_NEVER_KEYS = frozenset(
    {"tuple", "named-tuple", "list", "set", "frozenset", "dict"}
    | {"model", "dataclass", "typed-dict", "none"}
)
_MODEL = _PLAIN | {"cls", "schema", "config", "custom_init", "root_model", "post_init"} | {
    "frozen", "generic_origin"
}  # fmt: skip
_MODEL_CONFIG = frozenset(
    {"title", "frozen", "extra_fields_behavior", "validate_default", "from_attributes"}
    | {"validate_assignment", "allow_inf_nan", "validate_by_name", "validate_by_alias"}
)
_FIELDS = _PLAIN | {"fields", "computed_fields", "model_name"}
_DATACLASS = _PLAIN | {"cls", "schema", "config", "fields", "frozen", "post_init", "slots"}
_DATACLASS_ARGS = _PLAIN | {"fields", "computed_fields", "dataclass_name", "collect_init_only"}
_DEPTH = 50


class _Reader:
    """Reads one schema, with the definitions that it refers to."""

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions
        self._open: set[str] = set()

    def read(self, schema: Schema, *, trust: Trust) -> Doubt | None:
        kind = schema["type"]
        if kind in _NEVER_JSON:
            name = getattr(schema.get("cls"), "__name__", "")
            raise ImpossibleError(f"{name} {_NEVER_JSON[kind]}".strip())
        if kind in _LEAVES:
            known, leaf = _LEAVES[kind]
            if not known >= schema.keys() or _is_untested(schema, trust):
                return always
            return None if trust is Trust.CHECKED else _IsNot(leaf)
        if kind in _CONTAINERS:
            return self._container(schema, trust=trust)
        read = getattr(self, f"_{kind.replace('-', '_')}", None)
        doubt: Doubt | None = always if read is None else read(schema, trust=trust)
        return doubt

    def _any(self, schema: Schema, *, trust: Trust) -> Doubt:
        del trust
        return always if schema.keys() - _PLAIN else _is_not_plain

    def _bytes(self, schema: Schema, *, trust: Trust) -> Doubt | None:
        if schema.keys() - _LENGTH or _is_untested(schema, trust):
            return always
        return None if trust is Trust.CHECKED else _IsNot(bytes)

    def _float(self, schema: Schema, *, trust: Trust) -> Doubt | None:
        if schema.keys() - _RANGE - _STRICT or _is_untested(schema, trust):
            return always
        return None if trust is Trust.CHECKED else _is_no_finite_float

    def _datetime(self, schema: Schema, *, trust: Trust) -> Doubt:
        known = _RANGE | {"microseconds_precision", "tz_constraint"}
        is_odd = schema.keys() - known or _is_untested(schema, trust)
        return always if is_odd else _is_no_plain_datetime

    def _literal(self, schema: Schema, *, trust: Trust) -> Doubt | None:
        if schema.keys() - _PLAIN - {"expected"} or {*map(type, schema["expected"])} != {str}:
            return always
        return None if trust is Trust.CHECKED else _IsNot(str)

    def _enum(self, schema: Schema, *, trust: Trust) -> Doubt | None:
        kinds = {type(member.value) for member in schema["members"]}
        odd = schema.keys() - _PLAIN - {"cls", "members", "sub_type"}
        if odd or schema.get("missing") or kinds not in ({str}, {int}):
            return always
        cls = schema["cls"]
        return None if trust is Trust.CHECKED else _IsNot(cls)

    def _nullable(self, schema: Schema, *, trust: Trust) -> Doubt | None:
        if schema.keys() - _PLAIN - {"schema"}:
            return always
        inner = self.read(schema["schema"], trust=trust)
        if inner is None or inner is always:
            return inner
        doubt = inner
        return lambda value: value is not None and doubt(value)

    def _default(self, schema: Schema, *, trust: Trust) -> Doubt | None:
        known = {"schema", "default", "default_factory", "default_factory_takes_data"}
        if schema.keys() - _PLAIN - known - {"validate_default", "copy_default"}:
            return always
        return self.read(schema["schema"], trust=trust)

    def _union(self, schema: Schema, *, trust: Trust) -> Doubt | None:
        """Members that JSON tells apart come back; of any other union each value is compared."""
        choices = schema["choices"]
        members = {one["type"] for one in choices if type(one) is dict and one.keys() <= _PLAIN}
        if (
            schema.keys() - _PLAIN - {"choices"}
            or len(members) < len(choices)
            or not members <= {"none", "bool", "int", "float", "str"}
        ):
            return always
        if trust is Trust.CHECKED:
            return None
        kinds = {_LEAVES[one][1] for one in members - {"float"}}
        return lambda value: type(value) not in kinds

    def _container(self, schema: Schema, *, trust: Trust) -> Doubt | None:
        known, kind = _CONTAINERS[schema["type"]]
        if not known >= schema.keys() or _is_untested(schema, trust):
            return always
        items = schema.get("items_schema", {"type": "any"})
        return _of_all(kind, self.read(items, trust=trust), items, trust=trust)

    def _tuple(self, schema: Schema, *, trust: Trust) -> Doubt | None:
        items = schema["items_schema"]
        known = _LENGTH | {"items_schema", "variadic_item_index"}
        if schema.keys() - known or _is_untested(schema, trust):
            return always
        if "variadic_item_index" in schema:
            if len(items) > 1:
                return always
            inner = self.read(items[0], trust=trust)
            return _of_all(tuple, inner, items[0], trust=trust)
        parts = [self.read(one, trust=trust) for one in items]
        if trust is Trust.CHECKED and not any(parts):
            return None
        return lambda value: (
            type(value) is not tuple
            or len(value) != len(parts)
            or any(part and part(inner) for part, inner in zip(parts, value, strict=True))
        )

    def _dict(self, schema: Schema, *, trust: Trust) -> Doubt | None:
        keys_schema = schema.get("keys_schema", {"type": "any"})
        values_schema = schema.get("values_schema", {"type": "any"})
        if (kind := keys_schema["type"]) in _NEVER_KEYS:
            raise ImpossibleError(f"JSON has no {kind} as a key of an object: pass a list of pairs")
        known = _LENGTH | {"keys_schema", "values_schema"}
        if schema.keys() - known or _is_untested(schema, trust):
            return always
        values = self.read(values_schema, trust=trust)
        if kind == "any" and not keys_schema.keys() - _PLAIN and values is _is_not_plain:
            return _is_not_plain  # a bare dict
        if self.read(keys_schema, trust=Trust.CHECKED) is not None or kind != "str":
            return always
        if trust is Trust.CHECKED and values is None:
            return None
        within = _of_all(list, values, values_schema, trust=trust)
        return lambda value: (
            type(value) is not dict
            or not _TEXT.issuperset(map(type, value))
            or (within is not None and within([*value.values()]))
        )

    def _model(self, schema: Schema, *, trust: Trust) -> Doubt:
        del trust  # an instance passes as it is, whatever was done to it
        cls, inner = schema["cls"], schema["schema"]
        doubts: dict[str, Doubt | None] | None
        if schema.get("root_model"):
            doubts = {"root": self.read(inner, trust=Trust.BUILT)}
        else:
            doubts = self._model_fields(inner)
        if (
            doubts is None
            or schema.keys() - _MODEL
            or schema.get("config", {}).keys() - _MODEL_CONFIG
            or schema.get("config", {}).get("extra_fields_behavior") == "allow"
            or schema.get("custom_init")
            or schema.get("post_init")
        ):
            return always
        return _of_attributes(cls, doubts)

    def _model_fields(self, schema: Schema) -> dict[str, Doubt | None] | None:
        """Return the doubts of a model's fields by name; None: doubt the model."""
        if schema["type"] != "model-fields":
            return None
        is_plain = not (schema.keys() - _FIELDS or schema.get("computed_fields"))
        doubts = {}
        for name, field in schema["fields"].items():
            is_plain &= _is_plain_field(name, field)
            doubts[name] = self.read(field["schema"], trust=Trust.BUILT)
        return doubts if is_plain else None

    def _dataclass(self, schema: Schema, *, trust: Trust) -> Doubt:
        del trust  # as for models
        inner = schema["schema"]
        if inner["type"] != "dataclass-args":
            return always
        is_plain = not (
            schema.keys() - _DATACLASS
            or schema.get("config", {}).keys() - _MODEL_CONFIG
            or schema.get("post_init")
            or inner.keys() - _DATACLASS_ARGS
            or inner.get("computed_fields")
        )
        doubts = {}
        for field in inner["fields"]:
            is_plain &= _is_plain_field(field["name"], field)
            is_plain &= not field.get("init_only") and field.get("init", True)
            doubts[field["name"]] = self.read(field["schema"], trust=Trust.BUILT)
        return _of_attributes(schema["cls"], doubts) if is_plain else always

    def _definition_ref(self, schema: Schema, *, trust: Trust) -> Doubt | None:
        ref = schema["schema_ref"]
        if ref in self._open or ref not in self._definitions:
            return always  # it may be deeper than JSON is read
        self._open.add(ref)
        try:
            return self.read(self._definitions[ref], trust=trust)
        finally:
            self._open.discard(ref)


def _is_untested(schema: Schema, trust: Trust) -> bool:
    """Whether values may be out of the range that the schema allows."""
    return trust is Trust.NONE and not schema.keys().isdisjoint(_CONSTRAINTS)


def _is_plain_field(name: str, field: Schema) -> bool:
    """Whether it is written and read under one name; raises if it can never come back."""
    written = field.get("serialization_alias", name)
    read = field.get("validation_alias", name)
    is_required = field["schema"]["type"] != "default" and field.get("required", True)
    if is_required and field.get("serialization_exclude"):
        raise ImpossibleError(f"its field {name} is required, and excluded from JSON")
    if is_required and isinstance(read, str) and written not in {read, name}:
        raise ImpossibleError(f"its field {name} is written as {written}, and read as {read}")
    known = {"type", "schema", "metadata", "frozen", "required", "name", "kw_only", "init"}
    known |= {"init_only", "validation_alias", "serialization_alias"}
    return written == read and not field.keys() - known


def _of_all(kind: type[Any], inner: Doubt | None, items: Schema, *, trust: Trust) -> Doubt | None:
    if inner is always or (inner is None and trust is Trust.CHECKED):
        return inner
    if inner is _is_not_plain and kind is list:
        return _is_not_plain
    leaf = _LEAVES.get(items["type"])
    if leaf is not None:
        only = frozenset({leaf[1]})
        return lambda value: type(value) is not kind or not only.issuperset(map(type, value))
    if inner is None:
        return lambda value: type(value) is not kind
    return lambda value: type(value) is not kind or any(map(inner, value))


def _of_attributes(cls: type[Any], doubts: Mapping[str, Doubt | None]) -> Doubt:
    if always in doubts.values():
        return always
    leaves = [(name, doubt.kind) for name, doubt in doubts.items() if isinstance(doubt, _IsNot)]
    others = [
        (name, doubt)
        for name, doubt in doubts.items()
        if doubt is not None and not isinstance(doubt, _IsNot)
    ]

    # Loops: a generator would take twice as long.
    def is_doubtful(value: Any) -> bool:
        if type(value) is not cls:
            return True
        try:
            for name, kind in leaves:
                if type(getattr(value, name)) is not kind:
                    return True
            for name, doubt in others:
                if doubt(getattr(value, name)):
                    return True
        except AttributeError:
            return True  # made without validation
        return False

    return is_doubtful


@dataclass(frozen=True, slots=True)
class _IsNot:
    """Doubts all that is not exactly of *kind*."""

    kind: type[Any]

    def __call__(self, value: Any) -> bool:
        return type(value) is not self.kind


def _is_no_finite_float(value: Any) -> bool:
    return type(value) is not float or not math.isfinite(value)


def _is_no_plain_datetime(value: Any) -> bool:
    if type(value) is not datetime:
        return True
    if value.tzinfo is UTC:
        return False
    offset = value.utcoffset()
    return offset is not None and offset % _MINUTE != _NOTHING


_MINUTE = timedelta(minutes=1)
_NOTHING = timedelta()


def _is_not_plain(value: Any, depth: int = _DEPTH) -> bool:
    """Whether *value* is anything but what `json.loads` makes, of exactly those types."""
    kind = type(value)
    if kind in _SCALARS:
        return False
    if kind is float:
        return not math.isfinite(value)
    if kind is list:
        inner = value
    elif kind is dict and _TEXT.issuperset(map(type, value)):
        inner = value.values()
    else:
        return True
    if _SCALARS.issuperset(map(type, inner)):
        return False
    return depth == 0 or any(_is_not_plain(one, depth - 1) for one in inner)


_SCALARS = frozenset({str, int, bool, type(None)})
_TEXT = frozenset({str})


def _holds_secret(schema: Schema, definitions: Mapping[str, Schema]) -> bool:
    waiting: list[Any] = [schema]
    followed: set[str] = set()
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            ref = one.get("schema_ref")
            if isinstance(ref, str) and ref not in followed and ref in definitions:
                followed.add(ref)
                waiting.append(definitions[ref])
            waiting += (value for key, value in one.items() if key not in {"metadata", "default"})
        elif isinstance(one, list | tuple):
            waiting += one
        elif _is_of_secrets(one):
            return True
    return False


def _is_of_secrets(one: object) -> bool:
    """Whether a part of a schema is pydantic's class for secrets, or a function of it."""
    if isinstance(one, type):
        return issubclass(one, Secret | SecretStr | SecretBytes)
    return getattr(one, "__module__", None) == "pydantic.types" and "secret" in repr(one).lower()
