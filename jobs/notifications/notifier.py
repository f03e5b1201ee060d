"""What every way of telling people can do."""

from __future__ import annotations

from typing import Protocol


class NotificationError(Exception):
    """A notification was not delivered. One line: to whom, what happened."""


class Notifier(Protocol):
    """Delivers notifications."""

    async def send(self, *, key: str, title: str, body: str) -> None:
        """
        Deliver one. *key* names the event: a receiver may drop a second delivery of it.

        Raises:
            NotificationError: It was not delivered.
        """
        ...
