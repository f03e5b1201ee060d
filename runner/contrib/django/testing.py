"""
Django's backends for tests, which run or keep tasks without Redis, for tasks with our options.

    TASKS = {"default": {"BACKEND": "runner.contrib.django.testing.ImmediateBackend"}}

The options are checked, and have no effect; a task gets Django's own context, without `job`.
"""

from __future__ import annotations

from typing import Any

from runner.contrib.django import framework
from runner.contrib.django.task import PipelineTask


class ImmediateBackend(framework.ImmediateBackend):
    """Runs each task in the call that enqueues it, once."""

    task_class = PipelineTask

    def validate_task(self, task: Any) -> None:
        """Check what `PipelineBackend` checks."""
        super().validate_task(task)
        _ = task.job


class DummyBackend(framework.DummyBackend):
    """Keeps what is enqueued in its list `results`, and runs nothing."""

    task_class = PipelineTask

    def validate_task(self, task: Any) -> None:
        """Check what `PipelineBackend` checks."""
        super().validate_task(task)
        _ = task.job
