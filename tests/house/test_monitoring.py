"""The metrics in the monitoring files exist."""

from __future__ import annotations

import re
from pathlib import Path

from runner.operations.queues import Queue
from runner.operations.redis_info import Store
from runner.web import prometheus

FOLDER = Path(__file__).parents[2] / "docs" / "monitoring"
REFERENCE = FOLDER.parent / "reference-metrics.md"
_SUFFIXES = ("_total", "_bucket", "_count", "_sum")


def served() -> set[str]:
    """Return every metric of a scrape."""
    queue = Queue("q", 0, 0, 0, 0, 0, 0, 0, 0, 0.0, None, 1)
    store = Store("7", 1, 1, 1, 0, "noeviction", True, 1, 1, 0.1, (), 0)  # noqa: FBT003 -- as it is
    found = [
        *prometheus._of_queues([queue]),
        *prometheus._of_processes([]),
        *prometheus._of_jobs({("q", "j"): {"n": 1}}),
        *prometheus._of_redis(store),
    ]
    return {metric.name for metric in found}


def test_dashboard_alerts_and_page_name_the_metrics_that_are_served() -> None:
    """Panels and rules use existing metrics, and the reference lists all of them."""
    known = served()
    for file in (*FOLDER.iterdir(), REFERENCE):
        named = set()
        for name in re.findall(r"pipeline_[a-z_]+", file.read_text()):
            for suffix in _SUFFIXES:
                if name not in known and name.endswith(suffix):
                    name = name.removesuffix(suffix)  # noqa: PLW2901 -- the same metric
            named.add(name)
        assert named <= known, file.name
        if file == REFERENCE:
            assert named == known
