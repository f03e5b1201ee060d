"""What a job may raise, return or say that is hard to write down, made anew for each test."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from runner import Bury, Retry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class OddError(Exception):
    """Its text, its notes and its class raise *kind*."""

    def __init__(self, kind: type[BaseException] = ValueError) -> None:
        """Raise *kind* wherever this is looked at."""
        self._kind = kind

    def __str__(self) -> str:
        """Raise."""
        raise self._kind

    __repr__ = __str__

    @property
    def __notes__(self) -> Any:  # type: ignore[override]  # as no type checker would let it
        raise self._kind

    @property  # type: ignore[misc]  # likewise
    def __class__(self) -> Any:
        raise self._kind


class Unwritable:
    """An object whose own code raises when it is written down."""

    def __repr__(self) -> str:
        """Raise."""
        raise ZeroDivisionError

    def __getattr__(self, name: str) -> Any:
        """Raise."""
        raise RecursionError(name)

    def __bool__(self) -> bool:
        """Raise."""
        raise ZeroDivisionError


def circle() -> list[Any]:
    """Return a list that holds itself."""
    value: list[Any] = []
    value.append(value)
    return value


def nested(levels: int) -> Any:
    """Return lists within lists."""
    value: Any = None
    for _ in range(levels):
        value = [value]
    return value


def _exits_halfway() -> Iterator[int]:
    yield 1
    raise SystemExit


WITHOUT_JSON: dict[str, Callable[[], Any]] = {
    "object": object,
    "unwritable": Unwritable,
    "set": lambda: {1, object()},
    "surrogate": lambda: "\ud800",
    "surrogate as key": lambda: {"\ud800": 1},
    "bytes": lambda: b"\xff",
    "function": lambda: nested,
    "nan": lambda: math.nan,
    "inf": lambda: [math.inf],
    "-inf": lambda: {"a": -math.inf},
    "huge": lambda: 10**5000,
    "just too long": lambda: [10**4300],
    "circle": circle,
    "deep": lambda: nested(220),
    "very deep": lambda: nested(5000),
    "generator": _exits_halfway,
}
"""Values that no JSON text stands for, or none that can be read again."""


def _cycle() -> BaseException:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    return first


def _deep_group() -> BaseException:
    group: Exception = ValueError("innermost")
    for _ in range(3000):
        group = ExceptionGroup("around", [group])
    return group


def _too_deep() -> BaseException:
    def again() -> None:
        again()

    try:
        again()
    except RecursionError as error:
        return error
    raise AssertionError("unreachable")


def _noted(notes: Any) -> BaseException:
    error = ValueError("x")
    error.__notes__ = notes
    return error


def _misnamed() -> BaseException:
    kind = type("Misnamed", (Exception,), {"__module__": 5})
    kind.__qualname__ = "Mis.\ud800"
    error: BaseException = kind("\ud800")
    return error


class HollowRetry(Retry):
    """A signal that never calls its base class."""

    def __init__(self) -> None:
        """Set nothing."""


def _changed(**attributes: Any) -> Retry:
    signal = Retry(5, charge=False)
    for name, value in attributes.items():
        setattr(signal, name, value)
    return signal


ERRORS: dict[str, Callable[[], BaseException]] = {
    "exit": lambda: SystemExit(3),
    "interrupt": KeyboardInterrupt,
    "generator exit": GeneratorExit,
    "base": lambda: BaseException("x"),
    "stop": lambda: StopAsyncIteration("x"),
    "odd": OddError,
    "odd exit": lambda: OddError(SystemExit),
    "odd interrupt": lambda: OddError(KeyboardInterrupt),
    "odd recursion": lambda: OddError(RecursionError),
    "circle of causes": _cycle,
    "deep group": _deep_group,
    "too deep": _too_deep,
    "note": lambda: _noted(5),
    "notes": lambda: _noted([5, OddError()]),
    "text as notes": lambda: _noted("text"),
    "group": lambda: ExceptionGroup("some", [OddError()] * 100),
    "group of exits": lambda: BaseExceptionGroup("some", [SystemExit(), KeyboardInterrupt()]),
    "mixed group": lambda: BaseExceptionGroup("some", [Bury("no"), KeyboardInterrupt()]),
    "misnamed": _misnamed,
    "surrogate": lambda: ValueError("\ud800"),
    "changed signal": lambda: _changed(defer_score="soon"),
    "hollow signal": HollowRetry,
    "signal without an answer": lambda: _changed(charge=Unwritable()),
}
"""Exceptions that are hard to handle, to name or to print."""
