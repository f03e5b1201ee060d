"""A module in which no worker looks for tasks."""

from __future__ import annotations

from tests.django_project.tasks_of_django import task


@task()
def nobody_finds() -> None:
    """Be out of reach."""


@task()
def imported_by_tasks() -> None:
    """Be found where another module imports it."""
