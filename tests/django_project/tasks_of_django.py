"""Django's tasks, as a project imports them: from Django 6 on from `django.tasks`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import django

if not TYPE_CHECKING and django.VERSION >= (6, 0):
    from django.tasks import task, task_backends
    from django.tasks.exceptions import InvalidTask, InvalidTaskBackend, TaskResultDoesNotExist
    from django.tasks.signals import task_enqueued, task_finished, task_started
else:
    from django_tasks import task, task_backends
    from django_tasks.exceptions import (
        InvalidTaskBackendError as InvalidTaskBackend,
    )
    from django_tasks.exceptions import (
        InvalidTaskError as InvalidTask,
    )
    from django_tasks.exceptions import TaskResultDoesNotExist
    from django_tasks.signals import task_enqueued, task_finished, task_started

__all__ = [
    "InvalidTask",
    "InvalidTaskBackend",
    "TaskResultDoesNotExist",
    "task",
    "task_backends",
    "task_enqueued",
    "task_finished",
    "task_started",
]
