"""
What every log line passes before it is written.

It holds no secrets and no local variables, nothing that steers a terminal, and no forged line.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TextIO

import structlog

from runner.codec import ErrorRecord, encode_shown
from runner.redaction import REDACTED, is_secret_name, without_secrets
from runner.visible import visible, visible_lines

if TYPE_CHECKING:
    from structlog.typing import EventDict, ExcInfo, Processor

_UNTOUCHED = frozenset({"timestamp", "level", "exc_info", "_record", "_from_structlog"})
_QUOTED_FOR = frozenset(" \t=\r\n\"'")
_BARE = frozenset({"event", "logger"})
"""What the console renderer never quotes."""

_INDENT = "  "


def without_secrets_in_line(_: object, __: str, event: EventDict) -> EventDict:
    """Replace secrets in the event and its fields, by their names and shapes."""
    for name, value in event.items():
        if name not in _UNTOUCHED:
            event[name] = REDACTED if is_secret_name(str(name)) else without_secrets(value)
    return event


def console_renderer(*, colors: bool) -> list[Processor]:
    """Return what renders a line for people."""
    renderer = structlog.dev.ConsoleRenderer(
        colors=colors,
        # With rich installed, the default shows local variables, which may hold secrets.
        exception_formatter=_write_traceback,
    )
    return [_plain_exc_info, _visible_in_line, renderer]


def json_renderer() -> list[Processor]:
    """Return what renders a line for machines, as one that a person may look at in a terminal."""
    return [
        _plain_exc_info,
        structlog.processors.ExceptionRenderer(_frames_of),
        _exception_without_secrets,
        structlog.processors.JSONRenderer(serializer=_visible_json, ensure_ascii=False),
    ]


def shown(value: object) -> str:
    """Return the value of a field as the console renderer would, without control characters."""
    if not isinstance(value, str):
        return _repr_of(value)
    return visible(value) if _QUOTED_FOR.isdisjoint(value) else repr(value)


def _visible_in_line(_: object, __: str, event: EventDict) -> EventDict:
    """Write control characters out; the lines of a traceback are set in, like no line of a log."""
    made: EventDict = {}
    for name, value in event.items():
        if name in {"exception", "stack"}:
            made[name] = _set_in(str(value))
        elif isinstance(value, str) and (name in _BARE or _QUOTED_FOR.isdisjoint(value)):
            made[visible(str(name))] = visible(value)
        else:  # rendered as its repr, which shows all of it
            made[visible(str(name))] = value if name == "exc_info" else _Shown(_repr_of(value))
    return made


class _Shown:
    """A value with its repr, which is known already."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _repr_of(value: object) -> str:
    try:
        return repr(value)
    except BaseException:  # noqa: BLE001 -- whatever its own code raises, the line is to be seen
        return f"<{type(value).__name__} that cannot be shown>"


def _exception_without_secrets(_: object, __: str, event: EventDict) -> EventDict:
    if "exception" in event:
        event["exception"] = without_secrets(event["exception"])
    return event


_frames = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)


def _plain_exc_info(_: object, __: str, event: EventDict) -> EventDict:
    """Say of which class an exception is: asking the exception may raise."""
    error = event.get("exc_info")
    if issubclass(type(error), BaseException):
        event["exc_info"] = (
            type(error),
            error,
            BaseException.__getattribute__(error, "__traceback__"),
        )
    return event


def _frames_of(exc_info: ExcInfo) -> list[dict[str, Any]]:
    """Return the frames of an exception; if its own code raises, what can be written of it."""
    try:
        return _frames(exc_info)
    except BaseException:  # noqa: BLE001 -- whatever it raises, the failure is to be seen
        record = ErrorRecord.of(exc_info[1])
        return [
            {
                "exc_type": record.error,
                "exc_value": record.message,
                "traceback": record.traceback,
            }
        ]


def _visible_json(line: Any, **options: Any) -> str:
    try:
        return visible_lines(json.dumps(line, **options))
    except BaseException:  # noqa: BLE001 -- likewise
        return visible_lines(encode_shown(line).decode())


def _write_traceback(stream: TextIO, exc_info: ExcInfo) -> None:
    stream.write("\n" + _set_in(ErrorRecord.of(exc_info[1]).traceback.rstrip()))


def _set_in(text: str) -> str:
    return "\n".join(_INDENT + line for line in visible_lines(text).split("\n"))
