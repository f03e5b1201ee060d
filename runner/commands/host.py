"""What the commands that run workers need from the application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from starlette.types import ASGIApp

    from runner.processes.fleet import Fleet
    from runner.processes.health import HealthCheck
    from runner.web.dashboard import Dashboard


class Workplace(Protocol):
    """Redis answers, and all that jobs need is open."""

    @property
    def places(self) -> Mapping[str, str]:
        """Where things are, to be shown to a person: without passwords."""
        ...

    @property
    def grace_s(self) -> float:
        """How long running jobs may go on after a worker was told to stop, in seconds."""
        ...

    def fleet(self, queues: Sequence[str]) -> Fleet:
        """One worker for each of *queues*, not yet started; signals are left to the caller."""
        ...

    def health_checks(self, queues: Sequence[str]) -> Sequence[HealthCheck]:
        """What must hold for *queues* to be worked."""
        ...

    def pages(self, queues: Sequence[str]) -> tuple[Dashboard, ASGIApp]:
        """The pages for operators, to be served; the first is to be closed afterwards."""
        ...


class Host(Protocol):
    """The application, as the commands see it."""

    @property
    def queues(self) -> Sequence[str]:
        """Every queue there is."""
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
        Start or reach everything, and close it at the end.

        Raises whatever the application calls an expected error: one line, to be shown as it is.
        """
        ...

    def look(self) -> AbstractAsyncContextManager[Sequence[HealthCheck]]:
        """Give the health checks of everything, without starting or making anything."""
        ...
