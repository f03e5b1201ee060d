"""What the commands need from the application: the one protocol that it has to fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from starlette.types import ASGIApp

    from runner.operations.session import OperatorSession
    from runner.processes.fleet import Fleet, PoolPlan
    from runner.processes.health import HealthCheck
    from runner.web.dashboard import Dashboard

Kind = Literal["queue", "job", "schedule"]
"""What a shell can complete the names of."""


class Workplace(Protocol):
    """Redis answers, and all that jobs need is open."""

    @property
    def places(self) -> Mapping[str, str]:
        """Where things are, as people read it: without passwords."""
        ...

    @property
    def grace_s(self) -> float:
        """How long running jobs may go on once a worker stops, in seconds."""
        ...

    @property
    def blocked_limit_s(self) -> float:
        """How long a worker's event loop may be blocked before its process ends, in seconds."""
        ...

    def fleet(self, queues: Sequence[str], pool: PoolPlan | None = None) -> Fleet:
        """
        One worker for each of *queues*, not yet started; signals are left to the caller.

        pool: how they share slots; None: each has its own.
        """
        ...

    def health_checks(self, queues: Sequence[str]) -> Sequence[HealthCheck]:
        """What must hold for *queues* to be worked."""
        ...

    def pages(self, queues: Sequence[str]) -> tuple[Dashboard, ASGIApp]:
        """The operators' pages; the caller serves them, and closes the dashboard afterwards."""
        ...


class Host(Protocol):
    """The application, as the commands see it."""

    @property
    def queues(self) -> Sequence[str]:
        """Every queue there is."""
        ...

    @property
    def folder(self) -> Path | None:
        """Its project's; None: nobody named an application, and this is the one at hand."""
        ...

    def names(self, kind: Kind) -> Sequence[str]:
        """Every name of that kind; nothing is started or reached."""
        ...

    @property
    def health_address(self) -> tuple[str, int | None]:
        """Host and port for health pages, as configured; no port: not configured."""
        ...

    @property
    def web_address(self) -> tuple[str, int | None]:
        """Host and port for the operators' pages, as configured; no port: not configured."""
        ...

    def configure_logs(self) -> None:
        """Send log lines to standard error, as configured."""
        ...

    def open(self) -> AbstractAsyncContextManager[Workplace]:
        """
        Start or reach everything that workers need, and close it at the end.

        Raises one of the application's expected errors: a line that is shown as it is.
        """
        ...

    def operator_session(self) -> AbstractAsyncContextManager[OperatorSession]:
        """
        Reach Redis; nothing is started.

        Raises one of the application's expected errors if Redis does not answer.
        """
        ...

    def look(self) -> AbstractAsyncContextManager[Sequence[HealthCheck]]:
        """The health checks of everything; nothing is started or made."""
        ...

    @property
    def private_places(self) -> Sequence[Path]:
        """Files and folders that nobody else should be able to read."""
        ...

    def checks_beside_redis(self) -> Sequence[HealthCheck]:
        """The health checks of the rest: the database, metrics."""
        ...
