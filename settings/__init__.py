"""
The composition root: the product's settings, its four workers, and the application of both.

    from settings import AnalyticsWorker        # and: arq settings.AnalyticsWorker

The workers are imported when they are first used, since making them reads the configuration. Here
each has all that the command `arq` needs, which takes nothing from an application.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from settings.application import app
    from settings.workers import (
        AnalyticsWorker,
        DefaultWorker,
        NotificationsWorker,
        RecommendationsWorker,
    )

__all__ = [
    "AnalyticsWorker",
    "DefaultWorker",
    "NotificationsWorker",
    "RecommendationsWorker",
    "app",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'settings' has no attribute {name!r}")
    from settings.application import app

    if name == "app":
        return app
    from runner.extras import in_one_line

    with in_one_line(f"settings.{name}"):
        from settings import workers

        found = globals()[name] = app.configured(getattr(workers, name))
    return found
