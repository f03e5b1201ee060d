"""
The groups of settings about channels: queues and notifications.

Each is a table in the configuration file. docs/settings.md explains every setting.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, model_validator

from runner.configuration import Group
from runner.errors import ConfigurationError

if TYPE_CHECKING:
    from jobs.notifications.timing import Timing

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")


class QueueNumbers(Group):
    """One queue's numbers: how many jobs a worker runs at a time, and how often each is retried."""

    worker_count: int = Field(ge=1, le=10_000)
    max_retries: int = Field(ge=0, le=1_000)


class Queues(Group):
    """Every queue with its numbers, in the order in which a channel's jobs reach them."""

    default: QueueNumbers = QueueNumbers(worker_count=5, max_retries=3)
    analytics: QueueNumbers = QueueNumbers(worker_count=10, max_retries=5)
    recommendations: QueueNumbers = QueueNumbers(worker_count=3, max_retries=3)
    notifications: QueueNumbers = QueueNumbers(worker_count=2, max_retries=2)


QUEUE_NAMES: tuple[str, ...] = tuple(Queues.model_fields)


def _words(value: object) -> object:
    """In the environment a list is written with commas or spaces."""
    return value.replace(",", " ").split() if isinstance(value, str) else value


class TargetSettings(Group):
    """One target of notifications, the table `[notify.targets.NAME]`."""

    url: str = Field(repr=False)
    kinds: Annotated[tuple[str, ...], BeforeValidator(_words)] = ()
    quiet: str | None = None
    digest: str | None = None
    timezone: str = "UTC"
    per_hour: int = Field(20, ge=1)

    def timing(self) -> Timing:
        """
        When messages may go to it.

        Raises:
            ConfigurationError: The quiet hours or the crontab cannot be read.
        """
        from jobs.notifications.timing import QuietHours, Timing
        from runner.periodic.crontab import Crontab

        return Timing(
            quiet=QuietHours.parse(self.quiet, self.timezone) if self.quiet else None,
            digest=Crontab(self.digest, self.timezone) if self.digest else None,
        )

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        from jobs.notifications.event import Kind

        if not _ADDRESS.fullmatch(self.url):
            raise ValueError("its url is not an address: write one such as mailto://… or https://…")
        try:
            ZoneInfo(self.timezone)
        except (ValueError, OSError):
            raise ValueError(f"time zone {self.timezone!r} is not known here") from None
        if unknown := sorted(set(self.kinds) - set(Kind)):
            known = ", ".join(Kind)
            raise ValueError(f"there is no kind {unknown[0]!r}; there are {known}")
        try:
            self.timing()
        except ConfigurationError as error:
            raise ValueError(str(error)) from None
        return self


class Notify(Group):
    """Every target of notifications, by name."""

    targets: dict[str, TargetSettings] = Field({})
