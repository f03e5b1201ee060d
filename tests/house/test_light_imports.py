"""A service that only enqueues installs and imports little."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "aiostatsd",
    "alembic",
    "altair",
    "django",
    "fastapi",
    "feedparser",
    "flask",
    "httpx",
    "jinja2",
    "numpy",
    "pandas",
    "polars",
    "pydantic_settings",
    "scipy",
    "sentry_sdk",
    "sqlalchemy",
    "starlette",
    "textual",
    "uvicorn",
    "vl_convert",
}


@pytest.mark.parametrize("statement", ["import runner", "from jobs import sync_channel"])
def test_import_loads_nothing_heavy(statement: str) -> None:
    """Enqueueing a job works with the base install."""
    script = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"

    imported = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )

    assert imported.returncode == 0, imported.stderr
    loaded = {name.partition(".")[0] for name in json.loads(imported.stdout)}
    assert "runner" in loaded
    assert loaded & HEAVY == set()


def test_mathematics_does_without_statistics_of_scipy() -> None:
    """Importing `scipy.stats` takes longer than an analysis; `scipy.special` is enough."""
    imports = "jobs.analysis, jobs.recommendations, jobs.recommendations.similar.comparison"
    script = f"import sys, {imports}\nprint('scipy.stats' in sys.modules)"

    imported = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )

    assert imported.stdout.strip() == "False", imported.stderr
