"""What the commands of an operator work with: the same read model and actions as the pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import click

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from runner.client import QueueClient
    from runner.decorator import Job
    from runner.operations.actions import Operator
    from runner.operations.catalog import Catalog
    from runner.periodic.schedule import Periodic
    from runner.processes.health import HealthCheck

EXIT_NOTHING = 1
"""Exit status where what was asked for found nothing to act on."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Redis, and what is known of what stands in it. jobs: by their registered names."""

    redis: QueueClient
    queues: Sequence[str]
    jobs: Mapping[str, Job[Any, Any]]
    schedule: Sequence[Periodic]
    catalog: Catalog
    operator: Operator

    async def queue_of(self, job_id: str) -> str:
        """
        The queue in which a job stands.

        Raises:
            ClickException: It stands in none.
        """
        from runner.operations.job import find_queue

        found = await find_queue(self.redis, self.queues, job_id)
        if found is None:
            raise click.ClickException(
                f"there is no job {job_id}: it is done and forgotten, was deleted, or never was"
            )
        return found


class Host(Protocol):
    """The application, as an operator's commands see it."""

    def desk(self) -> AbstractAsyncContextManager[Desk]:
        """
        Reach Redis; nothing is started.

        Raises what the application calls an expected error where it does not answer.
        """
        ...

    def checks_beside_redis(self) -> Sequence[HealthCheck]:
        """What else is to be looked at: the database, metrics."""
        ...


def chosen_queues(desk: Desk, names: Sequence[str]) -> Sequence[str]:
    """
    *names*, or every queue where there are none.

    Raises:
        ConfigurationError: One of them is no queue.
    """
    from runner.operations.actions import known_queue

    return [known_queue(desk.queues, name) for name in names] or desk.queues


class MomentType(click.ParamType[datetime]):
    """A time: `10m`, `2h`, `1d` from now, or an ISO one with its zone."""

    name = "when"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Read it."""
        from datetime import timedelta

        if isinstance(value, datetime):
            return value
        text = str(value).strip()
        unit = _UNITS_S.get(text[-1:])
        try:
            if unit is not None:
                return datetime.now(UTC) + timedelta(seconds=float(text[:-1]) * unit)
            found = datetime.fromisoformat(text)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is no time: write 90s, 10m, 2h, 1d or 2030-01-31T12:00Z", param, ctx
            )
        if found.tzinfo is None:
            self.fail(f"{value!r} needs its zone: write {value}Z for UTC", param, ctx)
        return found


_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
