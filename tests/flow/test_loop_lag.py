"""Long computations run beside the event loop: the watchdog has nothing to report."""

from __future__ import annotations

import csv
import json
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runner.options import WorkerOptions

if TYPE_CHECKING:
    from pathlib import Path

    from tests.pipeline_command import Commands

pytestmark = pytest.mark.timeout(420)

VIDEOS = 12_000
DAYS = 1_100
BLOCKED = "event loop blocked"


@pytest.fixture
def large(commands: Commands) -> list[Path]:
    """Return one channel's list of many videos, and three years of another's daily counters."""
    commands.limit_s = 400
    rng, start = random.Random(1), datetime(2015, 1, 1, tzinfo=UTC)  # noqa: S311 -- for a test
    videos, counters = commands.folder / "videos.csv", commands.folder / "counters.csv"
    with videos.open("w", newline="") as file:
        writer = csv.writer(file)
        names = ("snapshot_utc", "channel_id", "channel_title", "video_id", "title", "published_at")
        writer.writerow([*names, "duration_iso8601", "view_count", "like_count"])
        for i in range(VIDEOS):
            views = int(rng.lognormvariate(9, 1))
            title = f"{rng.choice(('Cake', 'Soup', 'Bread'))} for {rng.choice('abcdef')} {i}"
            published = start + timedelta(hours=6 * i)
            known = ("2024-01-01T00:00:00Z", "UClarge", "Large", f"v{i}", title)
            writer.writerow([*known, f"{published:%Y-%m-%dT%H:%M:%SZ}", "PT9M", views, views // 25])
    with counters.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["date_utc", "channel_id", "channel_title", "subscribers", "views"])
        views = 0
        for day in range(DAYS):
            views += int(rng.lognormvariate(9, 0.4))
            writer.writerow([f"{start + timedelta(day):%Y-%m-%d}", "UCold", "Old", day, views])
    return [videos, counters]


def test_large_channels_do_not_block_the_loop(commands: Commands, large: list[Path]) -> None:
    """Sync, analysis, advice, charts and report of large channels cause no blockage."""
    assert WorkerOptions().blocked_warn_s == 1.0
    ended = commands.run("pipeline", "run", *map(str, large), "--json")

    assert ended.status == 0, ended.err
    assert (ended.document["channels"], ended.document["items"]) == (2, VIDEOS)
    assert ended.document["analyses"] == 2
    assert blockages(commands) == []


def test_blockages_would_be_seen(commands: Commands) -> None:
    """With a limit of a thousandth of a second, the log has some."""
    commands.limit_s = 400
    ended = commands.run(
        "pipeline", "run", "samples:", "--no-reports", "--json", RUNNER__BLOCKED_WARN_S="0.001"
    )
    assert ended.status == 0, ended.err
    assert blockages(commands)


def blockages(commands: Commands) -> list[dict[str, Any]]:
    """Return what the watchdog logged in the last run."""
    log = commands.folder / ".pipeline" / "logs" / "run.log"
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line["event"].startswith(BLOCKED)]
