"""The targets of notifications, made from the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.notifications.sender import Sender
    from jobs.notifications.target import Target
    from settings.environment import Settings

_WEBHOOK = "webhook"
_LOG = "log"
_NO_LIMIT = 1_000_000


def make_targets(settings: Settings) -> tuple[Target, ...]:
    """Make the targets of *settings*; where there are none, notifications go to the log."""
    from jobs.notifications.event import Kind
    from jobs.notifications.log_sender import LogSender
    from jobs.notifications.target import Target
    from jobs.notifications.webhook_sender import WebhookSender

    made = [
        Target(
            name,
            _sender(one.url),
            kinds=frozenset(one.kinds or Kind),
            timing=one.timing(),
            per_hour=one.per_hour,
        )
        for name, one in settings.notify.targets.items()
    ]
    if settings.notify_webhook_url:
        made.append(Target(_WEBHOOK, WebhookSender(settings.notify_webhook_url)))
    return tuple(made) or (Target(_LOG, LogSender(), per_hour=_NO_LIMIT),)


def _sender(url: str) -> Sender:
    from jobs.notifications.apprise_sender import AppriseSender
    from jobs.notifications.webhook_sender import WebhookSender

    if url.startswith(("http://", "https://")):
        return WebhookSender(url)
    return AppriseSender(url)
