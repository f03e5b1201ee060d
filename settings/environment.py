"""
The settings of the product: those of every application, and what is about channels.

`runner.configuration` says where they are read from.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, ClassVar, Literal, Self
from urllib.parse import quote

from pydantic import Field, model_validator

from runner import configuration
from settings.groups import Notify, Queues

if TYPE_CHECKING:
    from pathlib import Path

_SECRET = Field(None, repr=False)


class Settings(configuration.Settings):
    """Every setting. docs/settings.md explains them."""

    state_files: ClassVar[frozenset[str]] = (
        configuration.Settings.state_files
        | {"reports", "sources", "rejects"}
        | {"pipeline.db", "pipeline.db-wal", "pipeline.db-shm", "pipeline.db-journal"}
    )

    release: str = version("channel-pipeline")
    database_url: str | None = _SECRET
    notify_webhook_url: str | None = _SECRET
    report_paper: Literal["a4", "letter"] = "a4"
    youtube_api_key: str | None = _SECRET
    youtube_api_url: str = "https://www.googleapis.com/youtube/v3"
    youtube_quota_per_day: int = Field(10_000, ge=0)
    allow_private_addresses: bool = False
    sync_every_minutes: int | None = Field(None, ge=1)
    sync_min_minutes: int = Field(60, ge=1)
    sync_max_minutes: int = Field(1440, ge=1)
    notify: Notify = Field(Notify(), repr=False)
    queues: Queues = Queues()

    @model_validator(mode="after")
    def _shortest_interval_is_no_longer_than_the_longest(self) -> Self:
        if self.sync_min_minutes > self.sync_max_minutes:
            raise ValueError(
                f"sync_min_minutes is {self.sync_min_minutes} and sync_max_minutes "
                f"{self.sync_max_minutes}; the first may not be larger"
            )
        return self

    @property
    def database(self) -> str:
        """The URL of the database in use."""
        return self.database_url or f"sqlite:///{quote(str(self.home / 'pipeline.db'))}"

    @property
    def reports_dir(self) -> Path:
        """Where reports and pictures are written."""
        return self.home / "reports"

    @property
    def sources_dir(self) -> Path:
        """Where large source files are cached for all workers, as columns."""
        return self.home / "sources"

    @property
    def rejects_dir(self) -> Path:
        """Where rows that could not be used are written."""
        return self.home / "rejects"


def current() -> Settings:
    """The configuration of this process, read once."""
    return configuration.current(Settings)
