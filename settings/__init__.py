"""
The composition root: configuration, the four workers, and the `pipeline` command.

    from settings import AnalyticsWorker        # and: arq settings.AnalyticsWorker

The workers are imported when they are first used, since making them reads the configuration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from settings.workers import (
        AnalyticsWorker,
        DefaultWorker,
        NotificationsWorker,
        PipelineWorker,
        RecommendationsWorker,
    )

__all__ = [
    "AnalyticsWorker",
    "DefaultWorker",
    "NotificationsWorker",
    "PipelineWorker",
    "RecommendationsWorker",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'settings' has no attribute {name!r}")
    try:
        from settings import workers
    except ModuleNotFoundError as error:
        from runner.errors import MissingExtraError
        from runner.extras import lacking

        if (line := lacking(f"settings.{name}", error)) is None:
            raise
        raise MissingExtraError(line) from None
    return getattr(workers, name)
