"""
What every way of sending can do, and the two ways in which it can fail.

    NotificationError        a notification was not delivered; it may be sent again
    └── UnconfirmedError     nobody can tell whether it was; sent again, it might arrive twice
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from jobs.notifications.message import Message


class NotificationError(Exception):
    """A notification was not delivered. One line: to whom, what happened; no secrets."""


class UnconfirmedError(NotificationError):
    """The connection was lost or too slow once the message was on its way."""


class Sender(Protocol):
    """Sends messages to one address."""

    async def send(self, message: Message) -> None:
        """
        Deliver *message*, one time.

        Raises:
            UnconfirmedError: It may have arrived, or not.
            NotificationError: It was certainly not delivered.
        """
        ...
