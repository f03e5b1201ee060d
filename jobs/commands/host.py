"""What the channel commands need from the application, beyond what the runner's commands need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from runner.commands import host

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from jobs.services import Services, SourceAccess
    from runner import QueueClient

T = TypeVar("T")


class Workplace(host.Workplace, Protocol):
    """Redis answers, and everything that jobs need is open."""

    @property
    def redis(self) -> QueueClient:
        """The Redis that holds the queues."""
        ...

    @property
    def redis_is_private(self) -> bool:
        """Whether only runs on this state directory put jobs there."""
        ...

    def get(self, kind: type[T]) -> T:
        """What jobs get by `ctx.get`."""
        ...


class Host(host.Host, Protocol):
    """The application, as the channel commands see it."""

    @property
    def rejects_dir(self) -> Path:
        """The folder for files of rejected rows."""
        ...

    def check(self) -> None:
        """Raise an error if the configuration is wrong."""
        ...

    def make_log_file(self) -> Path:
        """Make the state directory, and return the path for a run's log in it."""
        ...

    def sources(self) -> AbstractAsyncContextManager[SourceAccess]:
        """Give access to sources, without starting anything."""
        ...

    def open_services(self) -> AbstractAsyncContextManager[Services]:
        """Open what jobs work with, without starting anything."""
        ...

    def warmed_up(self) -> AbstractAsyncContextManager[None]:
        """Let the processes that compute load their libraries, for what is opened within."""
        ...

    def open(self) -> AbstractAsyncContextManager[Workplace]:
        """Start or reach everything, and close it at the end."""
        ...
