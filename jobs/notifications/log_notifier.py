"""Notifications as log lines: what happens where no target is configured."""

from __future__ import annotations

import structlog

_log = structlog.get_logger("jobs.notifications")


class LogNotifier:
    """Writes each notification to the log."""

    async def send(self, *, key: str, title: str, body: str) -> None:
        """Log it."""
        _log.info("notification", key=key, title=title, body=body)
