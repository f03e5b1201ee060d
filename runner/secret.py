"""
`Secret`: an argument that is sealed in Redis, opened for the coroutine, and shown nowhere.

    @job(queue="mail")
    async def send(ctx: Context, to: str, password: Secret[str]) -> None:
        await log_in(password.get_secret_value())

    await send.enqueue(to="ana@example.org", password=Secret("hunter2"))

It is written as `{"$sealed": …}` (see `runner/sealing.py`), and can be part of a model, a dataclass
or a list. While anybody holds it, its value is replaced in all that this process logs and reports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NoReturn, Protocol, TypeVar, get_args

from pydantic_core import PydanticCustomError, core_schema, to_json

from runner.redaction import secrets_in
from runner.redaction.known import Known, remember, spellings_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import GetCoreSchemaHandler

T = TypeVar("T")

SEALED = "$sealed"
"""The only key of a sealed value."""

IS_SECRET = "runner.secret"  # noqa: S105 -- a key, not a password
"""Marks the schema of a `Secret`."""

_HIDDEN = "**********"


class Seal(Protocol):
    """Seals the JSON form of a value."""

    def __call__(self, plain: bytes, /) -> str:
        """Return it sealed."""
        ...


class Secret(Known, Generic[T]):
    """
    Holds a value that nothing shows: not its repr, a log, a traceback, a page, or Redis.

    Two are equal if their values are. It cannot be pickled, and has no JSON form but as a job's
    argument.
    """

    __slots__ = ("_spellings", "_value")

    def __init__(self, value: T) -> None:
        self._value = value
        self._spellings: tuple[str, ...] | None = None
        remember(self)

    def get_secret_value(self) -> T:
        """Return the value."""
        return self._value

    def spellings(self) -> tuple[str, ...]:
        """Return how the value may be written; empty if it is no text and no number."""
        if self._spellings is None:
            texts = secrets_in({_HIDDEN: self._value}, {_HIDDEN})
            self._spellings = tuple(one for text in texts for one in spellings_of(text))
        return self._spellings

    def __repr__(self) -> str:
        return f"Secret({_HIDDEN!r})"

    def __str__(self) -> str:
        return _HIDDEN

    def __format__(self, _: str) -> str:
        return _HIDDEN

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return type(self._value) is type(other._value) and bool(self._value == other._value)

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __copy__(self) -> Secret[T]:
        return self

    def __deepcopy__(self, _: object) -> Secret[T]:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled: pass get_secret_value() where it is needed")

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        inner = handler.generate_schema((get_args(source) or (Any,))[0])

        def wrap(value: Any, validate: Callable[[Any], Any]) -> Secret[Any]:
            given = value.get_secret_value() if isinstance(value, Secret) else value
            validated = validate(given)
            return value if validated is given and isinstance(value, Secret) else cls(validated)

        def wrap_given(value: Any, validate: Callable[[Any], Any]) -> Secret[Any]:
            if not isinstance(value, Secret):
                raise PydanticCustomError("secret", "give a Secret, as in Secret(…)")
            return wrap(value, validate)

        def write(value: Any, serialize: Any, info: core_schema.SerializationInfo) -> Any:
            seal: Seal | None = (info.context or {}).get(IS_SECRET)
            if seal is None:
                raise ValueError("a Secret is written only as a job's argument")
            plain = serialize(value.get_secret_value())
            return {SEALED: seal(to_json(plain))}

        return core_schema.lax_or_strict_schema(
            core_schema.no_info_wrap_validator_function(wrap, inner),
            core_schema.no_info_wrap_validator_function(wrap_given, inner),
            metadata={IS_SECRET: True},
            serialization=core_schema.wrap_serializer_function_ser_schema(
                write, schema=inner, info_arg=True, when_used="always"
            ),
        )
