"""The channels' pages: a list, one channel with its charts and its report, and what to do to it."""

from jobs.web.pages import channel_pages

__all__ = ["channel_pages"]
