"""The tasks."""

from __future__ import annotations

import asyncio
import threading
import uuid
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections

from tests.django_project.shop.elsewhere import imported_by_tasks
from tests.django_project.shop.models import Order
from tests.django_project.tasks_of_django import task

__all__ = ["imported_by_tasks"]

connections_used: list[Any] = []
"""What the tasks below read the database by."""


@task(queue_name="mail")
def greet(name: str, *, ids: list[uuid.UUID] | None = None) -> str:
    """Return a greeting."""
    return f"Hello {name}, {len(ids or ())}"


@task(max_retries=1, backoff=lambda _: 0.0)
def fail(*, times: int) -> str:
    """Raise some times."""
    raise LookupError(f"{times} times")


@task(takes_context=True, max_retries=2, backoff=lambda _: 0.0)
def succeed_at(context: Any, attempt: int) -> list[int]:
    """Raise before this attempt; return its number by both contexts."""
    if context.attempt < attempt:
        raise TimeoutError(context.attempt)
    return [context.attempt, context.job.attempt]


@task()
def count_orders() -> int:
    """Read the database from a thread."""
    count = Order.objects.count()
    connections_used.append(connections["default"])
    return count


@task(takes_context=True)
async def acount_orders(context: Any) -> int:
    """Read it from a coroutine, and enqueue another task."""
    count = await Order.objects.acount()
    connections_used.append(await sync_to_async(lambda: connections["default"])())
    await greet.aenqueue(f"{count} {context.attempt}")
    return count


held, let_go = threading.Event(), threading.Event()


@task(max_retries=1, backoff=lambda _: 600.0)
def hold() -> None:
    """Hold until the test lets it go, and raise."""
    held.set()
    let_go.wait(60)
    raise LookupError("let go")


@task()
async def wait_for_ever() -> None:
    """Say that it runs, and wait."""
    held.set()
    await asyncio.Event().wait()
