"""The pages of channels: their list, each with charts and report, their sync and schedules."""

from jobs.web.pages import channel_pages

__all__ = ["channel_pages"]
