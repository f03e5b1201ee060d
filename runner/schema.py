"""
One schema for each job, made from its signature: for arguments and result, both ways.

Whoever enqueues writes by it, and the worker reads by it; the worker writes the result by it, and
`JobHandle.result` reads that. What goes in comes out equal, or is refused: a type that cannot come
back when the job is registered, a value when it is sent. Bodies by other programs are plain JSON,
which is read leniently.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import typing
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import ArgsKwargs, SchemaSerializer, SchemaValidator, core_schema

from runner import codec
from runner.codec import Json
from runner.doubt import Doubt, ImpossibleError, Schema, Trust, always, doubt_of
from runner.errors import (
    ArgumentsError,
    CodecError,
    ConfigurationError,
    ResultError,
    SecretError,
)
from runner.references import UNKNOWN, Shape
from runner.sealing import ring
from runner.secret import IS_SECRET, SEALED, Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from runner.secret import Seal

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


class NotYetError(ConfigurationError):
    """A name in a job's signature is not there, or not yet."""


class JobSchema:
    """
    The types of one job's arguments and of its result.

    loose: parameters that take anything here.

    Raises:
        NotYetError: A name in the signature is not defined, or not yet.
        ConfigurationError: A type cannot come back from JSON.
    """

    def __init__(
        self,
        name: str,
        coroutine: Callable[..., Any],
        *,
        keeps_result: bool = True,
        loose: Collection[str] = (),
    ) -> None:
        self._name = name
        self._what = f"{name}: an argument"
        signature = inspect.signature(coroutine)
        parameters = list(signature.parameters.values())[1:]
        hints = _hints_of(name, coroutine, parameters, signature.return_annotation)
        if not keeps_result:
            hints["return"] = Any
        hints |= dict.fromkeys(loose, Any)
        arguments, definitions = _arguments_schema(name, parameters, hints)
        of_result = arguments["arguments_schema"].pop(_place_of_result(arguments))
        if _holds_secret(of_result["schema"], definitions):
            raise ConfigurationError(
                f"{name}: its result: a Secret is sealed as an argument only: "
                "keep what is secret elsewhere, and return where it is"
            )
        self._validator = SchemaValidator(_whole(arguments, definitions), _FINITE)
        self._by_place: list[_Value] = []
        self._by_name: dict[str, _Value] = {}
        for param in arguments["arguments_schema"]:
            value = _Value.of(f"{name}: {param['name']}", param["schema"], definitions)
            if param["mode"] != "keyword_only":
                self._by_place.append(value)
            if param["mode"] != "positional_only":
                self._by_name[param["name"]] = value
        self._more = [
            _Value.of(f"{name}: {what}", arguments.get(key, {"type": "any"}), definitions)
            for what, key in (("*args", _MORE_ARGS), ("**kwargs", _MORE_KWARGS))
        ]
        placed = [p["name"] for p in arguments["arguments_schema"] if p["mode"] != "keyword_only"]
        self._places = placed
        self._sealed = {
            param["name"]
            for param in arguments["arguments_schema"]
            if _holds_secret(param["schema"], definitions)
        } | {
            key
            for key in (_MORE_ARGS, _MORE_KWARGS)
            if key in arguments and _holds_secret(arguments[key], definitions)
        }
        self._takes_more = not arguments.keys().isdisjoint({_MORE_ARGS, _MORE_KWARGS})
        self._place_doubts = [(at, one.doubt) for at, one in enumerate(self._by_place) if one.doubt]
        self._name_doubts = [(key, one.doubt) for key, one in self._by_name.items() if one.doubt]
        self._is_certain = not (self._takes_more or self._place_doubts or self._name_doubts)
        self._may_change = self._takes_more or any(
            one.doubt is always for one in (*self._by_place, *self._by_name.values())
        )
        self._result = _Value.of(
            f"{name}: its result", of_result["schema"], definitions, trust=Trust.NONE
        )
        self._may_return_none = self._result.doubt is None or not self._result.doubt(None)

    def check(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Arguments:
        """
        Check the arguments of a Python call strictly against the signature, and return them.

        Arguments that the caller left out stay out: the code that runs the job sets their defaults.

        Raises:
            ArgumentsError: They do not fit, or are changed by being checked.
        """
        try:
            checked_args, found = self._validator.validate_python(
                ArgsKwargs(args, kwargs),  # type: ignore[arg-type]  # a mapping will do
                strict=True,
            )
        except ValidationError as error:
            raise ArgumentsError(self._name, _in_one_line(error)) from None
        checked = found
        if len(found) > len(kwargs):
            checked = {name: found[name] for name in kwargs}
        if self._may_change:
            self._compare(args, kwargs, checked_args, checked)
        return checked_args, checked

    @property
    def holds_secrets(self) -> bool:
        """Whether a parameter is a `Secret`, or holds one."""
        return bool(self._sealed)

    def seals(self, parameter: str) -> bool:
        """Whether *parameter* is one of those."""
        return self._name_of(parameter) in self._sealed

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
        if self._sealed:
            args, kwargs = self.opened(args, kwargs, job_id)
        try:
            parsed: Arguments = self._validator.validate_python(
                ArgsKwargs(args, kwargs),  # type: ignore[arg-type]  # a mapping will do
                strict=False,
            )
        except ValidationError as error:
            raise ArgumentsError(self._name, _in_one_line(error)) from None
        return parsed

    def body(self, request: _Request) -> bytes:
        """
        Return the body of a job with checked arguments.

        Raises:
            ArgumentsError: A value does not come back equal.
            CodecError: An argument has no JSON form.
        """
        args, kwargs = request.args, request.kwargs
        if self._is_certain or not self._is_in_doubt(args, kwargs):
            return codec.write(codec.body_of(request), self._what)
        more_args, more_kwargs = self._more
        placed = self._by_place
        fields = codec.body_of(request)
        job = (self._name, request.job_id)
        fields["a"] = [
            (placed[at] if at < len(placed) else more_args).plain(
                value, self._what, self._seal_for(job, self._name_at(at))
            )
            for at, value in enumerate(args)
        ]
        fields["k"] = {
            name: self._by_name.get(name, more_kwargs).plain(
                value, self._what, self._seal_for(job, self._name_of(name))
            )
            for name, value in kwargs.items()
        }
        body = codec.encode(fields, self._what)
        envelope = codec.decode_job(body)
        came = self.parse(tuple(envelope.args), envelope.kwargs, request.job_id)
        self._compare(args, kwargs, *came)
        return body

    def _name_at(self, place: int) -> str:
        return self._places[place] if place < len(self._places) else _MORE_ARGS

    def _name_of(self, name: str) -> str:
        return name if name in self._by_name else _MORE_KWARGS

    def _seal_for(self, job: tuple[str, str], parameter: str) -> dict[str, Seal] | None:
        """Return pydantic's context for writing one argument; None if it holds no secret."""
        if parameter not in self._sealed:
            return None
        keys = ring()
        return {IS_SECRET: lambda plain: keys.seal(plain, job, parameter)}

    def opened(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], job_id: str
    ) -> tuple[tuple[Any, ...], Any]:
        """
        Return arguments read from JSON with what is sealed as instances of `Secret`.

        Raises:
            SecretError: It does not open.
        """
        if not self._sealed:
            return args, kwargs
        job = (self._name, job_id)
        return tuple(
            _open(value, job, self._name_at(at)) if self._name_at(at) in self._sealed else value
            for at, value in enumerate(args)
        ), {
            name: _open(value, job, self._name_of(name))
            if self._name_of(name) in self._sealed
            else value
            for name, value in kwargs.items()
        }

    def write_result(self, result: Any) -> Json:
        """
        Return what the job returned as JSON.

        Raises:
            ResultError: It does not fit the signature, or does not come back equal from JSON.
        """
        if result is None and self._may_return_none:
            return _NULL
        value = self._result
        try:
            if value.doubt is None or not value.doubt(result):
                return Json(codec.write(result, _RESULT))
            written = codec.encode(value.plain(value.check(result), _RESULT), _RESULT)
            is_same = is_same_value(result, value.parse(codec.decode(written)))
        except ValidationError as error:
            raise ResultError(self._name, f"does not fit: {_in_one_line(error)}") from None
        except CodecError as error:
            raise ResultError(self._name, str(error).removeprefix(f"{_RESULT} ")) from error
        if not is_same:
            raise ResultError(self._name, _changed(result))
        return Json(written)

    def read_result(self, value: Any) -> Any:
        """
        Return a result read from JSON in the type of the signature.

        Raises:
            CodecError: It does not fit: another program, or another version of the job, wrote it.
        """
        try:
            return self._result.parse(value)
        except ValidationError as error:
            raise CodecError(f"{self._name}: its result: {_in_one_line(error)}") from None

    def shape_of(self, parameter: str) -> Shape:
        """Return what JSON a parameter takes."""
        value = self._by_name.get(parameter)
        return UNKNOWN if value is None else _shape(value.schema, "validation")

    @property
    def shape_of_result(self) -> Shape:
        """What JSON the result is."""
        return _shape(self._result.schema, "serialization")

    def _is_in_doubt(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
        if self._takes_more:
            return True
        if args:
            given = len(args)
            for at, doubt in self._place_doubts:
                if at < given and doubt(args[at]):
                    return True
        for name, doubt in self._name_doubts:  # noqa: SIM110 -- a generator would take twice as long
            if name in kwargs and doubt(kwargs[name]):
                return True
        return False

    def _compare(
        self,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        came: Sequence[Any],
        came_by_name: Mapping[str, Any],
    ) -> None:
        """
        Compare what was given with what comes back.

        Raises:
            ArgumentsError: They differ.
        """
        pairs = [(str(at), value, came[at]) for at, value in enumerate(args)]
        pairs += [(name, value, came_by_name[name]) for name, value in kwargs.items()]
        for name, value, other in pairs:
            if not is_same_value(value, other):
                raise ArgumentsError(self._name, f"{name} {_changed(value)}")


class _Request(codec.Encodable, Protocol):
    """A job to enqueue. job_id: what is sealed is bound to it."""

    job_id: str


@dataclass(frozen=True)
class _Value:
    """The type of one argument, or of the result. doubt: None if all values come back."""

    schema: Schema
    doubt: Doubt | None

    @classmethod
    def of(
        cls,
        where: str,
        schema: Schema,
        definitions: Mapping[str, Schema],
        *,
        trust: Trust = Trust.CHECKED,
    ) -> _Value:
        try:
            doubt = doubt_of(schema, definitions, trust=trust)
        except ImpossibleError as error:
            raise ConfigurationError(f"{where}: {error}") from None
        return cls(_whole(schema, definitions), doubt)

    @functools.cached_property
    def _validator(self) -> SchemaValidator:
        return SchemaValidator(cast("Any", self.schema), _FINITE)

    @functools.cached_property
    def _serializer(self) -> SchemaSerializer:
        return SchemaSerializer(cast("Any", self.schema), {"ser_json_inf_nan": "constants"})

    def check(self, value: Any) -> Any:
        """Validate strictly."""
        return self._validator.validate_python(value, strict=True)

    def parse(self, value: Any) -> Any:
        """Convert what was read from JSON."""
        return self._validator.validate_python(value, strict=False)

    def plain(self, value: Any, what: str, context: Mapping[str, Any] | None = None) -> Any:
        """Return *value* as JSON values, written by the schema; *what* names it in an error."""
        try:
            return self._serializer.to_python(
                value,
                mode="json",
                by_alias=True,
                round_trip=True,
                warnings="error",
                context=cast("Any", context),
            )
        except (ConfigurationError, SecretError):
            raise
        except BaseException as error:
            raise CodecError(f"{what} has no JSON form: {codec.line_of(error)}") from error


def _open(value: Any, job: tuple[str, str], parameter: str) -> Any:
    """
    Return a value read from JSON with what is sealed in it as instances of `Secret`.

    Raises:
        SecretError: It does not open.
    """
    if isinstance(value, list):
        return [_open(one, job, parameter) for one in value]
    if not isinstance(value, dict):
        return value
    sealed = value.get(SEALED) if len(value) == 1 else None
    if isinstance(sealed, str):
        return Secret(codec.decode(ring().open(sealed, job, parameter)))
    return {name: _open(one, job, parameter) for name, one in value.items()}


def _holds_secret(schema: Any, definitions: Mapping[str, Schema]) -> bool:
    """Whether a `Secret` is anywhere in *schema*."""
    waiting, followed = [schema], set()
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if (one.get("metadata") or {}).get(IS_SECRET):
                return True
            ref = one.get("schema_ref")
            if isinstance(ref, str) and ref not in followed and ref in definitions:
                followed.add(ref)
                waiting.append(definitions[ref])
            waiting += (inner for key, inner in one.items() if key not in {"metadata", "default"})
        elif isinstance(one, list | tuple):
            waiting += one
    return False


def is_same_value(given: Any, came: Any) -> bool:
    """
    Whether *came* equals *given*, type and all, at any depth.

    An int may have become a float, and an instance of a subclass of a built-in type its base.
    """
    kind = type(came)
    try:
        if type(given) is not kind:
            return (
                kind in _BUILT_IN
                and isinstance(given, int if kind is float else kind)
                and type(given) is not bool
                and bool(given == came)
            )
        parts = _parts_of(given, kind)
        if parts is None:
            return bool(given == came)
        return len(parts) == len(others := _parts_of(came, kind) or []) and all(
            map(is_same_value, parts, others)
        )
    except Exception:  # noqa: BLE001 -- a value's own __eq__ may do anything
        return False


def _parts_of(value: Any, kind: type[Any]) -> list[Any] | None:
    """Return what two values of *kind* have to have in common; None: they are compared as such."""
    if kind is list or issubclass(kind, tuple):
        return list(value)
    if kind is dict:
        return [*value, *value.values()]
    if issubclass(kind, BaseModel):
        return [getattr(value, part) for part in _PARTS_OF_MODEL]
    if dataclasses.is_dataclass(kind):
        return [getattr(value, field.name) for field in dataclasses.fields(kind)]
    if issubclass(kind, datetime):
        return [value.timestamp() if value.tzinfo else value.isoformat(), value.utcoffset()]
    return None


def _shape(schema: Schema, mode: Literal["validation", "serialization"]) -> Shape:
    schemas = []
    for by_alias in (True, False):
        try:
            generator = _AnyShape(by_alias=by_alias)
            schemas.append(generator.generate(cast("Any", copy.deepcopy(schema)), mode=mode))
        except PydanticUserError:
            return UNKNOWN
    return Shape.of(*schemas)


class _AnyShape(GenerateJsonSchema):
    """Knows nothing of what has no JSON schema, and says so."""

    ignored_warning_kinds: set[Any] = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012 -- as pydantic has it

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> dict[str, Any]:
        del schema, error_info
        return {}


_PARTS_OF_MODEL = ("__dict__", "__pydantic_extra__", "__pydantic_private__")
_BUILT_IN = frozenset({str, int, float, list, dict, tuple, set, frozenset, bytes})
_CONFIG = ConfigDict(allow_inf_nan=False)
_FINITE = core_schema.CoreConfig(allow_inf_nan=False)
_EMPTY = inspect.Parameter.empty
_NULL = Json(b"null")
_MORE_ARGS = "var_args_schema"
_MORE_KWARGS = "var_kwargs_schema"
_OF_RESULT = "result__of__the__job"
_RESULT = "it"


def _hints_of(
    name: str, coroutine: Callable[..., Any], parameters: list[inspect.Parameter], returned: Any
) -> dict[str, Any]:
    """Return the types by the names of the parameters, and of the result by "return"."""

    def annotated() -> None: ...

    annotated.__annotations__ = {
        **{one.name: one.annotation for one in parameters},
        "return": returned,
    }
    for key, annotation in annotated.__annotations__.items():
        if annotation is _EMPTY:
            annotated.__annotations__[key] = Any
    names = getattr(inspect.unwrap(coroutine), "__globals__", {})
    try:
        hints = typing.get_type_hints(annotated, names, include_extras=True)
    except (NameError, AttributeError) as error:
        raise NotYetError(
            f"{name}: {error} in its signature: import it outside `if TYPE_CHECKING`, "
            "since arguments and results are checked against it at run time"
        ) from error
    except (TypeError, SyntaxError) as error:
        raise ConfigurationError(f"{name}: its signature: {codec.line_of(error)}") from error
    if hints["return"] in {typing.NoReturn, typing.Never}:
        hints["return"] = None
    return hints


def _arguments_schema(
    name: str, parameters: list[inspect.Parameter], hints: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Schema]]:
    """Return pydantic's schema of the arguments, the result as one more, and its definitions."""

    def captured(*_: Any, **__: Any) -> None: ...

    typed = [one.replace(annotation=hints[one.name]) for one in parameters]
    of_result = inspect.Parameter(_OF_RESULT, inspect.Parameter.KEYWORD_ONLY)
    end = len(typed) - (1 if typed and typed[-1].kind is inspect.Parameter.VAR_KEYWORD else 0)
    typed.insert(end, of_result.replace(annotation=hints["return"]))
    captured.__annotations__ = {one.name: one.annotation for one in typed}
    captured.__signature__ = inspect.Signature(typed)  # type: ignore[attr-defined]  # a function takes it
    try:
        # pydantic takes a function as a type. Only the arguments' part of its schema is used: with
        # the rest, it would also call the function.
        schema: Any = TypeAdapter(cast("Any", captured), config=_CONFIG).core_schema
    except PydanticUndefinedAnnotation as error:
        raise NotYetError(f"{name}: its signature: {codec.line_of(error)}") from error
    except PydanticUserError as error:
        kind = NotYetError if error.code == "class-not-fully-defined" else ConfigurationError
        reason = codec.line_of(error).partition(". ")[0]
        raise kind(f"{name}: its signature: {reason}: give the type a pydantic schema") from error
    definitions = {one["ref"]: one for one in schema.get("definitions", ())}
    call = schema["schema"] if schema["type"] == "definitions" else schema
    return copy.copy(call["arguments_schema"]), definitions


def _place_of_result(arguments: Mapping[str, Any]) -> int:
    return [one["name"] for one in arguments["arguments_schema"]].index(_OF_RESULT)


def _whole(schema: Schema, definitions: Mapping[str, Schema]) -> Any:
    if not definitions:
        return schema
    return core_schema.definitions_schema(cast("Any", schema), cast("Any", [*definitions.values()]))


def _changed(value: object) -> str:
    kind = type(value)
    return (
        f"does not come back equal from JSON (a {kind.__module__}.{kind.__qualname__}): "
        "pass what does, in a type that says so"
    )


def _in_one_line(error: ValidationError) -> str:
    problems = [
        f"{'.'.join(str(part) for part in problem['loc']) or 'it'}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return " ".join("; ".join(problems).split())
