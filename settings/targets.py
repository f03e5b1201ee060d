"""Who is told of what happens to channels and jobs, by which way, and when."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from runner.errors import ConfigurationError

if TYPE_CHECKING:
    from jobs.notifications.sender import Sender
    from jobs.notifications.target import Target
    from jobs.notifications.timing import Timing
    from settings.environment import Settings

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_WEBHOOK = "webhook"
_LOG = "log"


def _words(value: object) -> object:
    """In the environment a list is written with commas or spaces."""
    return value.replace(",", " ").split() if isinstance(value, str) else value


class TargetSettings(BaseModel):
    """
    One target: `[notify.targets.NAME]`, or `NOTIFY__TARGETS__NAME__URL` and so on.

    url: an Apprise URL (`mailtos://…`, `slack://…`, `tgram://…`), or `http(s)://` for JSON.
    kinds: what it wants to hear of; all, where it does not say. quiet: hours such as
    `22:00-07:00`. digest: a crontab; told together at these times. timezone: of both.
    per_hour: most messages within an hour.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(repr=False)
    kinds: Annotated[tuple[str, ...], BeforeValidator(_words)] = ()
    quiet: str | None = None
    digest: str | None = None
    timezone: str = "UTC"
    per_hour: int = Field(20, ge=1)

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        from jobs.notifications.event import Kind

        if not _ADDRESS.fullmatch(self.url):
            raise ValueError("its url is no address: write one such as mailto://… or https://…")
        try:
            ZoneInfo(self.timezone)
        except (ValueError, OSError):
            raise ValueError(f"time zone {self.timezone!r} is not known here") from None
        if unknown := sorted(set(self.kinds) - set(Kind)):
            known = ", ".join(Kind)
            raise ValueError(f"there is no kind {unknown[0]!r}; there are {known}")
        try:
            _timing(self)
        except ConfigurationError as error:
            raise ValueError(str(error)) from None
        return self


class Notify(BaseModel):
    """All targets, by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    targets: dict[str, TargetSettings] = {}


def make_targets(settings: Settings) -> tuple[Target, ...]:
    """Make the targets of *settings*; with none of them, the log is told."""
    from jobs.notifications.event import Kind
    from jobs.notifications.log_sender import LogSender
    from jobs.notifications.target import Target
    from jobs.notifications.webhook_sender import WebhookSender

    made = [
        Target(
            name,
            _sender(one.url),
            kinds=frozenset(one.kinds or Kind),
            timing=_timing(one),
            per_hour=one.per_hour,
        )
        for name, one in settings.notify.targets.items()
    ]
    if settings.notify_webhook_url:
        made.append(Target(_WEBHOOK, WebhookSender(settings.notify_webhook_url)))
    return tuple(made) or (Target(_LOG, LogSender(), per_hour=_NO_LIMIT),)


_NO_LIMIT = 1_000_000


def _sender(url: str) -> Sender:
    from jobs.notifications.apprise_sender import AppriseSender
    from jobs.notifications.webhook_sender import WebhookSender

    if url.startswith(("http://", "https://")):
        return WebhookSender(url)
    return AppriseSender(url)


def _timing(one: TargetSettings) -> Timing:
    from jobs.notifications.timing import QuietHours, Timing
    from runner.periodic.crontab import Crontab

    return Timing(
        quiet=QuietHours.parse(one.quiet, one.timezone) if one.quiet else None,
        digest=Crontab(one.digest, one.timezone) if one.digest else None,
    )
