"""
`App`: the runner's side of an application, free of what its jobs are about.

An application gives its queues, jobs and schedule, and the address of its Redis. `App` makes from
them what the commands need. Nothing of a worker is imported before a command needs it.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from runner.errors import RunnerError
from runner.extras import extra

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from redis.asyncio import Redis

    from runner.client import QueueClient
    from runner.commands.host import Kind
    from runner.decorator import Job
    from runner.offload.offloader import Offloader
    from runner.operations.session import OperatorSession
    from runner.periodic.schedule import Periodic
    from runner.processes.fleet import Fleet
    from runner.processes.health import HealthCheck
    from runner.reporters import Reporter
    from runner.worker_settings import WorkerSettings


class App(ABC):
    """An application whose jobs the runner runs; the host of its commands."""

    @property
    @abstractmethod
    def queues(self) -> Sequence[str]:
        """Every queue. Known without reading the configuration."""

    @property
    @abstractmethod
    def jobs(self) -> Sequence[Job[Any, Any]]:
        """Every job."""

    @property
    @abstractmethod
    def schedule(self) -> Sequence[Periodic]:
        """Every periodic job."""

    @property
    @abstractmethod
    def redis_url(self) -> str:
        """The Redis that holds the queues; it need not run yet."""

    @property
    @abstractmethod
    def poll_interval_s(self) -> float:
        """Time between two polls of the cron poller, in seconds."""

    @property
    def call_timeout_s(self) -> float:
        """How long an enqueue waits for Redis in all, in seconds."""
        return 10.0

    @property
    def max_body_bytes(self) -> int:
        """The largest body of a job that is enqueued."""
        return 10 * 1024 * 1024

    @property
    @abstractmethod
    def statsd(self) -> tuple[str, int] | None:
        """Host and port that metrics go to; None: they are not sent."""

    @abstractmethod
    def unreachable(self, reason: str) -> RunnerError:
        """The error for a Redis that does not answer: one line, with what to do."""

    def own_checks(self) -> Sequence[HealthCheck]:
        """Health checks of what the application needs beside Redis, such as a database."""
        return ()

    def expected_errors(self) -> tuple[type[BaseException], ...]:
        """Errors that a person can mend: their message is printed without a traceback."""
        return (RunnerError, RedisError)

    def names(self, kind: Kind) -> Sequence[str]:
        """Every name of *kind*, for a shell to complete. Nothing is started or reached."""
        match kind:
            case "queue":
                return self.queues
            case "schedule":
                return [periodic.name for periodic in self.schedule]
            case "job":
                return [job.name for job in self.jobs]

    @property
    def private_places(self) -> Sequence[Path]:
        """Files and folders that nobody else should be able to read; `pipeline doctor` looks."""
        return ()

    def checks_beside_redis(self) -> Sequence[HealthCheck]:
        """The application's own checks, and whether the name of the StatsD host resolves."""
        from runner.processes.health import Answers

        if (statsd := self.statsd) is None:
            return self.own_checks()
        return [*self.own_checks(), Answers("statsd", lambda: _resolve(*statsd))]

    @asynccontextmanager
    async def look(self) -> AsyncIterator[Sequence[HealthCheck]]:
        """Give the health checks of everything, without starting or making anything."""
        from runner.client import connect

        client = connect(self.redis_url)
        try:
            runner = health_checks(client, self.queues, poll_interval_s=self.poll_interval_s)
            yield [*runner, *self.own_checks()]
        finally:
            await client.aclose()

    @asynccontextmanager
    async def operator_session(self) -> AsyncIterator[OperatorSession]:
        """
        Give an operator Redis and what is known of its jobs. Nothing is started.

        Raises:
            RunnerError: Redis does not answer.
        """
        from runner.operations.actions import Operator
        from runner.operations.catalog import Catalog
        from runner.operations.session import OperatorSession

        async with self.connected(self.redis_url) as client:
            yield OperatorSession(
                redis=client,
                queues=self.queues,
                jobs={job.name: job for job in self.jobs},
                schedule=self.schedule,
                catalog=Catalog.of(self.jobs),
                operator=Operator(client, f"terminal:{_user()}"),
            )

    @asynccontextmanager
    async def connected(self, url: str) -> AsyncIterator[QueueClient]:
        """
        Give a client of a Redis that answers. A worker would wait for it; a person wants to know.

        Raises:
            RunnerError: It does not answer, or is too old.
        """
        from runner.broker.redis_risks import refuse_old_server
        from runner.client import connect

        client = connect(
            url, call_timeout_s=self.call_timeout_s, max_body_bytes=self.max_body_bytes
        )
        try:
            try:
                await client.ping()
                await refuse_old_server(client)
            except (RedisError, OSError) as error:
                raise self.unreachable(_reason(error, url)) from None
            yield client
        finally:
            await client.aclose()


def health_checks(
    redis: Redis, queues: Sequence[str], *, poll_interval_s: float
) -> Sequence[HealthCheck]:
    """Whether Redis answers, each of *queues* has a live worker, and the poller has just run."""
    from runner.periodic.poller import poll_age_s
    from runner.processes.health import PollerIsFresh, QueuesHaveWorkers, RedisAnswers
    from runner.worker.heartbeat import live_workers

    return [
        RedisAnswers(redis),
        QueuesHaveWorkers(queues, lambda: live_workers(redis, list(queues))),
        PollerIsFresh(lambda: poll_age_s(redis, queues), interval_s=poll_interval_s),
    ]


def fleet_of(
    workers: Iterable[type[WorkerSettings]],
    *,
    resources: Mapping[type[Any], Any],
    offloader: Offloader,
    make_reporters: Callable[[], Sequence[Reporter]],
) -> Fleet:
    """
    One worker of each class, for one process. Signals are left to the caller.

    They share *resources* and the processes of *offloader*, which stay open when they stop, and
    get reporters of their own, which they close.
    """
    from runner.processes.fleet import Fleet

    @asynccontextmanager
    async def shared() -> AsyncIterator[Mapping[type[Any], Any]]:
        yield resources

    return Fleet(
        [
            kind.worker(
                resources=shared,
                offloader=offloader,
                prepare=None,
                reporters=make_reporters(),
                handle_signals=False,
            )
            for kind in workers
        ]
    )


async def _resolve(host: str, port: int) -> None:
    """UDP has no answer: all that can be known is whether it can be sent, and the name resolves."""
    with extra("statsd", f"StatsD at {host}:{port}"):
        import aiostatsd  # noqa: F401
    await asyncio.get_running_loop().getaddrinfo(host, port)


def _user() -> str:
    """The name for the audit log; a container may have none for its user."""
    from getpass import getuser

    try:
        return getuser()
    except (KeyError, OSError):
        return "unknown"


def _reason(error: RedisError | OSError, url: str) -> str:
    """Say why Redis does not answer, and what to do about it if that can be told."""
    from runner.broker.outage import AWAY, REFUSED, situation

    text, what = str(error).rstrip("."), situation(error)
    if isinstance(error, RedisTimeoutError) and url.startswith("rediss:"):
        return f"{text}: a server without TLS does not answer rediss://"
    return text if what in (AWAY, REFUSED) else f"{what}: {text}"
