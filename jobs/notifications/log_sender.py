"""Notifications as log lines, the default when no target is configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from jobs.notifications.message import Message

_log = structlog.get_logger("jobs.notifications")


class LogSender:
    """Writes each message to the log."""

    async def send(self, message: Message) -> None:
        """Log *message*."""
        _log.info("notification", key=message.key, title=message.title, body=message.body)
