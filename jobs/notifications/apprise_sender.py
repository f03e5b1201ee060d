"""
Send notifications by Apprise: mail, chat, push and a hundred other services, one URL each.

It follows no redirect: the operator chose where a message goes, not the server that took it.
Apprise blocks, so it runs in a thread. It reports only in its log why a delivery failed.
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
# What its plugins log when a request was begun but not completed.
_MAYBE_DELIVERED = ("timed out", "timeout", "connection reset", "unexpectedly closed", "aborted")
_NEVER_CONNECTED = ("refused", "name or service not known", "unreachable", "connect timeout")
# The line that names the cause is logged at DEBUG.
_CAUSE = "Exception: "


class AppriseSender:
    """Sends by one Apprise URL, such as `mailtos://user:password@example.org?to=…`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._service: Any = None

    async def send(self, message: Message) -> None:
        """
        Deliver *message* by the service that the URL names.

        Raises:
            UnconfirmedError: The service was reached but did not confirm the message.
            NotificationError: The URL is wrong, or the service cannot be reached or refuses it.
        """
        # The first import takes a second or two, so it runs in the thread as well.
        await asyncio.to_thread(self._send, message)

    def check(self) -> None:
        """
        Check that Apprise can use the URL. This loads Apprise and blocks.

        Raises:
            NotificationError: Apprise cannot use it.
        """
        import apprise

        if self._service is None:
            with _captured_log().capture():  # it would quote a URL that it cannot read
                self._service = apprise.Apprise.instantiate(
                    self._url, asset=apprise.AppriseAsset(http_redirects=False)
                )
            if self._service is None:
                scheme, mark, _ = self._url.partition("://")
                named = f"{scheme}://" if mark and scheme.isalnum() else "notification"
                raise NotificationError(
                    f"the {named} URL is not one that Apprise can use; see its documentation"
                )

    def _send(self, message: Message) -> None:
        import apprise

        self.check()
        with _captured_log().capture() as lines:
            delivered = self._service.notify(
                title=message.title, body=message.body, body_format=apprise.NotifyFormat.TEXT
            )
        if delivered:
            return
        where = self._service.url(privacy=True).partition("?")[0]
        reason = f"{where}: {self._without_secrets('; '.join(lines)) or 'it was not taken'}"
        if _is_uncertain(reason.lower(), recipients=len(self._service)):
            raise UnconfirmedError(reason)
        raise NotificationError(reason)

    def _without_secrets(self, words: str) -> str:
        for secret in (self._url, self._service.password):
            words = words.replace(str(secret), "***") if secret else words
        return words


def _is_uncertain(reason: str, *, recipients: int) -> bool:
    """Of several recipients some may have got it: Apprise reports only that not all did."""
    if any(sign in reason for sign in _NEVER_CONNECTED):
        return False
    return recipients > 1 or any(sign in reason for sign in _MAYBE_DELIVERED)


class _CapturedLog(logging.Handler):
    """Collects what Apprise logs, separately for each thread."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._of_thread = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line if it says what went wrong."""
        lines = getattr(self._of_thread, "lines", None)
        if lines is not None and (
            record.levelno >= logging.WARNING or _CAUSE in record.getMessage()
        ):
            lines.append(" ".join(record.getMessage().split()))

    @contextmanager
    def capture(self) -> Iterator[list[str]]:
        """Yield a list that collects the lines this thread logs inside, newest last."""
        lines: list[str] = []
        self._of_thread.lines = lines
        try:
            yield lines
        finally:
            self._of_thread.lines = None


@cache
def _captured_log() -> _CapturedLog:
    """Take over Apprise's log, so that the sender alone reports a failure."""
    logger, captured = logging.getLogger(_LOGGER), _CapturedLog()
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.addHandler(captured)
    return captured
