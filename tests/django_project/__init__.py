"""
A Django project for tests, in the test's own process: two databases, and some tasks.

To import it is to be it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connections

if TYPE_CHECKING:
    from pathlib import Path

BACKEND = "runner.contrib.django.backend.PipelineBackend"
_SQLITE = {"ENGINE": "django.db.backends.sqlite3", "NAME": "not set"}


def _configure() -> None:
    settings.configure(
        DATABASES={"default": dict(_SQLITE), "other": dict(_SQLITE)},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=[
            "django_tasks",
            "runner.contrib.django",
            "tests.django_project.shop",
        ],
        TASKS={
            "default": {"BACKEND": BACKEND, "QUEUES": ["default", "mail"]},
            "at_once": {"BACKEND": BACKEND, "OPTIONS": {"enqueue_on_commit": False}},
        },
        USE_TZ=True,
    )
    django.setup()


_configure()  # for good: Django's settings are of the process


def make_databases(folder: Path) -> None:
    """Make the databases, with their tables, in *folder*."""
    for alias in ("default", "other"):
        connections[alias].close()
        for known in (connections.settings, {alias: connections[alias].settings_dict}):
            known[alias]["NAME"] = str(folder / f"{alias}.sqlite3")
        call_command("migrate", run_syncdb=True, database=alias, verbosity=0)
