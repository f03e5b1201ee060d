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
    try:
        from settings import workers
    except ModuleNotFoundError as error:
        from runner.errors import MissingExtraError
        from runner.extras import lacking

        if (line := lacking(f"settings.{name}", error)) is None:
            raise
        raise MissingExtraError(line) from None
    found = globals()[name] = app.configured(getattr(workers, name))
    return found
