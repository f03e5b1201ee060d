"""A job without Django's tasks."""

from __future__ import annotations

from runner import Context, job
from tests.django_project.shop.models import Order


@job(queue="bulk")
def count_in_bulk(_: Context) -> int:
    """Read the database."""
    return Order.objects.count()
