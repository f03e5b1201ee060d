"""
Notifications by Apprise: mail, chat, push and a hundred other services, one URL each.

Apprise works in threads, and tells by its log why something was not delivered.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from jobs.notifications.sender import NotificationError, UnconfirmedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.notifications.message import Message

_LOGGER = "apprise"
# What its plugins log where a request or a dialogue was begun and not ended.
_LEFT_OPEN = ("timed out", "timeout", "connection reset", "unexpectedly closed", "aborted")
_NEVER_OPEN = ("refused", "name or service not known", "unreachable", "connect timeout")
# The line that names the cause is said at DEBUG.
_CAUSE = "Exception: "


class AppriseSender:
    """Sends by one Apprise URL, such as `mailtos://user:password@example.org?to=…`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._service: Any = None

    async def send(self, message: Message) -> None:
        """
        Deliver it by the service that the URL names.

        Raises:
            UnconfirmedError: The service was reached and did not say whether it took it.
            NotificationError: The URL is wrong, or the service cannot be reached or refuses it.
        """
        # Its first import takes a second or two, so it belongs into the thread, too.
        await asyncio.to_thread(self._send, message)

    def check(self) -> None:
        """
        Look whether the URL is one. It loads Apprise, and blocks.

        Raises:
            NotificationError: It is not.
        """
        import apprise

        if self._service is None:
            self._service = apprise.Apprise.instantiate(self._url)
            if self._service is None:
                scheme = self._url.partition("://")[0]
                raise NotificationError(
                    f"the {scheme}:// URL is not one that Apprise can use; see its documentation"
                )

    def _send(self, message: Message) -> None:
        import apprise

        self.check()
        with _listen().kept() as said:
            delivered = self._service.notify(
                title=message.title, body=message.body, body_format=apprise.NotifyFormat.TEXT
            )
        if delivered:
            return
        where = self._service.url(privacy=True).partition("?")[0]
        reason = f"{where}: {self._without_secrets('; '.join(said)) or 'it was not taken'}"
        if _is_uncertain(reason.lower(), recipients=len(self._service)):
            raise UnconfirmedError(reason)
        raise NotificationError(reason)

    def _without_secrets(self, words: str) -> str:
        for secret in (self._url, self._service.password):
            words = words.replace(str(secret), "***") if secret else words
        return words


def _is_uncertain(reason: str, *, recipients: int) -> bool:
    """One of several recipients may have it: Apprise tells only that not all of them have."""
    if any(sign in reason for sign in _NEVER_OPEN):
        return False
    return recipients > 1 or any(sign in reason for sign in _LEFT_OPEN)


class _Said(logging.Handler):
    """What Apprise logs, kept for the thread that it says it in, and for nobody else."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._of_thread = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it, if it says what went wrong."""
        lines = getattr(self._of_thread, "lines", None)
        if lines is not None and (
            record.levelno >= logging.WARNING or _CAUSE in record.getMessage()
        ):
            lines.append(" ".join(record.getMessage().split()))

    @contextmanager
    def kept(self) -> Iterator[list[str]]:
        """Give the lines said by this thread inside, newest last."""
        lines: list[str] = []
        self._of_thread.lines = lines
        try:
            yield lines
        finally:
            self._of_thread.lines = None


@cache
def _listen() -> _Said:
    """From here on Apprise's log is ours: a failure is told once, by whoever sent."""
    logger, said = logging.getLogger(_LOGGER), _Said()
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.addHandler(said)
    return said
