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
    notify,
    recommend,
    render_visualization,
    run_analytics,
    sync_channel,
    sync_due_channels,
    visualize_data,
)
from runner import WorkerSettings
from runner.configuration.logs import configure_logs
from runner.configuration.redis_location import hold_redis, redis_url
from runner.configuration.reporters import make_reporters
from runner.sealing import use_keys
from settings.environment import current
from settings.groups import QUEUE_NAMES
from settings.schedule import make_schedule
from settings.services import resources

_settings = current()
use_keys(_settings.secret_keys)


def _prepare() -> None:
    """Under the `arq` command nothing else configures logs or starts the private Redis."""
    configure_logs(_settings)
    hold_redis(_settings)


class PipelineWorker(WorkerSettings, limits=_settings.runner):
    """What all four share: Redis, the limits, the reporters, metrics, the services."""

    redis = redis_url(_settings)
    prepare = staticmethod(_prepare)
    resources = staticmethod(resources)
    reporters = make_reporters(_settings)
    statsd = _settings.statsd
    statsd_prefix = _settings.statsd_prefix
    schedule = make_schedule(_settings)
    polled_queues = QUEUE_NAMES
    poll_interval_s = _settings.scheduled_poll_interval_s
    release = _settings.release


class DefaultWorker(PipelineWorker):
    """Syncs channels and renders reports."""

    queue = "default"
    jobs = (sync_channel, sync_due_channels, render_visualization)
    concurrency = _settings.queues.default.worker_count
    max_retries = _settings.queues.default.max_retries


class AnalyticsWorker(PipelineWorker):
    """Analyses channels and draws their charts."""

    queue = "analytics"
    jobs = (run_analytics, analyze_channel, visualize_data)
    concurrency = _settings.queues.analytics.worker_count
    max_retries = _settings.queues.analytics.max_retries


class RecommendationsWorker(PipelineWorker):
    """Recommends what to do next, and finds similar channels."""

    queue = "recommendations"
    jobs = (recommend, compare_channels)
    concurrency = _settings.queues.recommendations.worker_count
    max_retries = _settings.queues.recommendations.max_retries


class NotificationsWorker(PipelineWorker):
    """Sends notifications."""

    queue = "notifications"
    jobs = (notify, deliver_notifications, announce_failures)
    concurrency = _settings.queues.notifications.worker_count
    max_retries = _settings.queues.notifications.max_retries


WORKERS: tuple[type[PipelineWorker], ...] = (
    DefaultWorker,
    AnalyticsWorker,
    RecommendationsWorker,
    NotificationsWorker,
)
