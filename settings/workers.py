"""
The four workers, one for each queue.

    arq settings.AnalyticsWorker        # or --burst, --check, --watch DIR
    pipeline worker analytics
"""

from __future__ import annotations

from jobs import (
    analyze_channel,
    announce_failures,
    compare_channels,
    deliver_notifications,
    measure_platform_days,
    notify,
    recommend,
    render_visualization,
    run_analytics,
    sync_channel,
    sync_due_channels,
    visualize_data,
)
from runner import WorkerSettings
from settings.environment import current

_queues = current().queues


class DefaultWorker(WorkerSettings):
    """Syncs channels and renders reports."""

    queue = "default"
    jobs = (sync_channel, sync_due_channels, render_visualization)
    concurrency = _queues.default.worker_count
    max_retries = _queues.default.max_retries


class AnalyticsWorker(WorkerSettings):
    """Analyses channels, draws their charts, and finds the platforms' own days."""

    queue = "analytics"
    jobs = (run_analytics, analyze_channel, visualize_data, measure_platform_days)
    concurrency = _queues.analytics.worker_count
    max_retries = _queues.analytics.max_retries


class RecommendationsWorker(WorkerSettings):
    """Recommends what to do next, and finds similar channels."""

    queue = "recommendations"
    jobs = (recommend, compare_channels)
    concurrency = _queues.recommendations.worker_count
    max_retries = _queues.recommendations.max_retries


class NotificationsWorker(WorkerSettings):
    """Sends notifications."""

    queue = "notifications"
    jobs = (notify, deliver_notifications, announce_failures)
    concurrency = _queues.notifications.worker_count
    max_retries = _queues.notifications.max_retries


WORKERS = (DefaultWorker, AnalyticsWorker, RecommendationsWorker, NotificationsWorker)
