"""
Loggers for modules that every command imports: structlog, and Rich with it, comes with a line.

That is a fifth of the time that a command takes which logs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from structlog.stdlib import BoundLogger


def lazy_log(name: str) -> BoundLogger:
    """Return a logger that is made when it is used, as structlog is configured then."""
    return cast("BoundLogger", _LazyLog(name))


class _LazyLog:
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        import structlog

        return getattr(structlog.stdlib.get_logger(self._name), name)
