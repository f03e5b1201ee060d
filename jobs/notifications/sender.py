"""
The interface of senders, and the two ways in which sending can fail.

    NotificationError        the notification was not delivered; it may be sent again
    └── UnconfirmedError     it may have been delivered; sent again, it might arrive twice
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from jobs.notifications.message import Message


class NotificationError(Exception):
    """A notification was not delivered. The message is one line: to whom, and why; no secrets."""


class UnconfirmedError(NotificationError):
    """The connection was lost or timed out after the message was sent."""


class Sender(Protocol):
    """Sends messages to one address."""

    async def send(self, message: Message) -> None:
        """
        Deliver *message* once.

        Raises:
            UnconfirmedError: It may or may not have arrived.
            NotificationError: It was certainly not delivered.
        """
        ...
