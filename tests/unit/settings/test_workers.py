"""The four settings classes, as arq sees them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import jobs
from runner.decorator import Job

if TYPE_CHECKING:
    from pathlib import Path

_SCRIPT = """
import json, settings
found = {}
for name in settings.__all__:
    if name == "app":
        continue
    kind = getattr(settings, name)
    own = kind.__dict__
    found[kind.__name__] = {
        "queue": own["queue_name"],
        "jobs": sorted(function.name for function in own["functions"]),
        "max_jobs": own["max_jobs"],
        "max_tries": own["max_tries"],
        "redis": own["redis_settings"].unix_socket_path or own["redis_settings"].host,
        "poll_interval_s": own["runner"].poll_interval_s,
        "polled": own["runner"].polled_queues,
        "lease_s": own["runner"].lease_s,
        "statsd": own["runner"].statsd,
        "reporters": [type(one).__name__ for one in own["runner"].reporters],
        "same": getattr(settings, name) is kind,
    }
print(json.dumps(found))
"""


def _workers(folder: Path, **variables: str) -> dict[str, Any]:
    """In a process of its own: the classes are made from the environment when imported."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **variables}
    answer = subprocess.run(
        [sys.executable, "-c", _SCRIPT],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def test_workers_carry_what_arq_reads(tmp_path: Path) -> None:
    """Every queue's class itself holds its jobs and numbers under arq's names."""
    found = _workers(tmp_path)

    assert {
        name: (one["queue"], one["max_jobs"], one["max_tries"]) for name, one in found.items()
    } == {
        "DefaultWorker": ("arq:queue:default", 5, 4),
        "AnalyticsWorker": ("arq:queue:analytics", 10, 6),
        "RecommendationsWorker": ("arq:queue:recommendations", 3, 4),
        "NotificationsWorker": ("arq:queue:notifications", 2, 3),
    }
    assert all(one["same"] for one in found.values())
    assert all(len(one["polled"]) == 4 for one in found.values())
    assert found["AnalyticsWorker"]["redis"] == str(tmp_path / ".pipeline" / "redis" / "redis.sock")


def test_workers_follow_the_environment(tmp_path: Path) -> None:
    """Redis, numbers, timings, metrics and reporters are the configured ones."""
    found = _workers(
        tmp_path,
        REDIS_URL="redis://example.com",
        QUEUES__ANALYTICS__WORKER_COUNT="7",
        SCHEDULED_POLL_INTERVAL_S="3",
        RUNNER__LEASE_S="45",
        STATSD_HOST="127.0.0.1",
        SENTRY_DSN="https://key@example.com/1",
        ERROR_WEBHOOK_URL="https://example.com/hook",
    )["AnalyticsWorker"]

    assert found["redis"] == "example.com"
    assert found["max_jobs"] == 7
    assert found["poll_interval_s"] == 3
    assert found["lease_s"] == 45
    assert found["statsd"] == ["127.0.0.1", 8125]
    assert found["reporters"] == ["LogReporter", "SentryReporter", "WebhookReporter"]


def test_every_job_has_its_worker(tmp_path: Path) -> None:
    """Each job is run by the class of its queue: any other would wait for ever."""
    found = _workers(tmp_path)
    worked = {
        (name, one["queue"].removeprefix("arq:queue:"))
        for one in found.values()
        for name in one["jobs"]
    }
    every = [getattr(jobs, name) for name in jobs.__all__]

    assert all(isinstance(one, Job) for one in every)
    assert {(one.name, one.queue) for one in every} <= worked


def test_configuration_is_read_without_the_workers(tmp_path: Path) -> None:
    """`settings.environment` is light: it imports neither the workers nor the jobs."""
    heavy = ["jobs", "settings.workers", "sqlalchemy", "polars"]
    script = f"import settings.environment, sys; print([m for m in {heavy} if m in sys.modules])"
    answer = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert answer.stdout.strip() == "[]", answer.stderr


def test_unknown_name_is_an_attribute_error() -> None:
    """The lazy package fails as any module does."""
    import settings

    with pytest.raises(AttributeError, match="has no attribute 'SlowWorker'"):
        _ = settings.SlowWorker
