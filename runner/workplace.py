"""What an `App` opens: its Redis, its services, and what runs and shows them."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from runner.extras import extra

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from redis.asyncio import Redis
    from starlette.types import ASGIApp

    from runner.client import QueueClient
    from runner.configuration import Settings
    from runner.offload import Offloader
    from runner.operations.session import OperatorSession
    from runner.parts import Parts
    from runner.processes.fleet import Fleet, PoolPlan
    from runner.processes.health import HealthCheck
    from runner.web.dashboard import Dashboard

T = TypeVar("T")

# Not structlog's: commands of operators configure no logs, and this is for who reads their output.
_log = logging.getLogger("runner.operations")


@dataclass(frozen=True, slots=True)
class Opened:
    """Redis answers, and the services are open for all workers of this process."""

    app: Parts
    settings: Settings
    redis: QueueClient
    services: Mapping[type[Any], Any]
    offloader: Offloader
    former: Sequence[str] = ()
    """Partitions that a queue no longer has, in which jobs are left."""

    def get(self, kind: type[T]) -> T:
        """Return the service of *kind*, as `ctx.get` does."""
        return cast("T", self.services[kind])

    @property
    def redis_is_private(self) -> bool:
        """Whether Redis runs for this state directory alone."""
        return self.settings.redis_url is None

    @property
    def places(self) -> Mapping[str, str]:
        """Where things are, to be shown to a person."""
        from runner.configuration.redis_location import shown_redis

        shown = shown_redis(self.settings)
        redis = f"private, {shown}" if self.redis_is_private else shown
        return {"Redis": redis, **self.app.places}

    @property
    def grace_s(self) -> float:
        """How long running jobs may go on when a worker stops, in seconds."""
        return self._longest("grace_s")

    @property
    def blocked_limit_s(self) -> float:
        """How long a worker's event loop may be blocked before its process ends, in seconds."""
        return self._longest("blocked_limit_s")

    def _longest(self, name: str) -> float:
        """That of the settings, unless a settings class has its own."""
        from runner.parts import own_names

        set_here: float = getattr(self.settings.runner, name)
        own = [one for one in self.app.workers if name in own_names(one)]
        return max((float(getattr(one, name)) for one in own), default=set_here)

    def fleet(self, queues: Sequence[str], pool: PoolPlan | None = None) -> Fleet:
        """
        One worker for each of *queues*; they share services and processes for offloaded work.

        With a queue, those of its former partitions are worked, too. pool: how they share slots;
        None: each has its own.
        """
        from runner.broker.keys import whole_queue
        from runner.parts import configured, with_own_resources
        from runner.processes.fleet import Fleet
        from runner.slot_shares import given_by
        from runner.worker_settings import inherited

        @asynccontextmanager
        async def shared() -> AsyncIterator[Mapping[type[Any], Any]]:
            yield self.services

        classes = {one.queue: one for one in self.app.workers}
        chosen = [one for name, one in classes.items() if name in queues]
        chosen += [
            classes[whole].partition(name)
            for name in self.former
            if (whole := whole_queue(name)) in queues
        ]
        idle_poll_s = self.settings.runner.idle_poll_s
        shares = given_by(pool, chosen, idle_poll_s=idle_poll_s) if pool else {}
        return Fleet(
            [
                configured(self.app, one).worker(
                    **shares.get(one.queue, {}),
                    resources=with_own_resources(shared, one),
                    offloader=self.offloader,
                    prepare=inherited(one, "prepare"),
                    handle_signals=False,
                )
                for one in chosen
            ]
        )

    def health_checks(self, queues: Sequence[str]) -> Sequence[HealthCheck]:
        """What must hold for *queues* to be worked."""
        interval_s = self.settings.scheduled_poll_interval_s
        return [
            *health_checks(self.redis, queues, poll_interval_s=interval_s),
            *self.app.own_checks(self.services),
        ]

    def pages(self, queues: Sequence[str]) -> tuple[Dashboard, ASGIApp]:
        """
        The pages for operators, with the API and `/metrics`; the caller closes the dashboard.

        Raises:
            SettingsError: The pages would be open to other machines without a login.
            ConfigurationError: A user, proxy or host cannot be read, or a secret can be guessed.
        """
        with extra("web", "serving pages"):
            from runner.configuration.login import login_settings, web_secret
            from runner.web.app import dashboard_app
            from runner.web.dashboard import Dashboard, Environment
            from runner.web.live import Live
        from runner.broker.announced import QueuesInSight
        from runner.distribution import distribution
        from runner.operations.catalog import Catalog

        web = self.settings.web
        in_sight = QueuesInSight(self.redis, queues)
        dashboard = Dashboard(
            redis=self.redis,
            queues=in_sight,
            catalog=Catalog.of(self.app.jobs),
            schedule=self.app.schedule,
            live=Live(self.redis, in_sight),
            secret=web_secret(self.settings),
            login=login_settings(self.settings),
            version=distribution().version,
            environment=Environment.of(web.environment, web.environment_colour or ""),
        )
        self.app.own_pages(dashboard, self.services)
        hosts = {"localhost", "127.0.0.1", "::1", web.host}
        hosts |= set(web.allowed_hosts.replace(",", " ").split())
        return dashboard, dashboard_app(dashboard, hosts=hosts, look_again=in_sight.look)


@asynccontextmanager
async def opened(app: Parts) -> AsyncIterator[Opened]:
    """Start or reach Redis, and open the services; see `App`."""
    from runner.configuration.redis_location import running_redis
    from runner.configuration.state_directory import make_home
    from runner.offload import Offloader

    settings = app.settings
    if settings.redis_url is None:
        make_home(settings)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(running_redis(settings))
        client = await stack.enter_async_context(connected(app, url))
        services = await stack.enter_async_context(app.services())
        offloader = services.get(Offloader)
        if offloader is None:
            # Each of its processes starts when it is first needed.
            offloader = Offloader(settings.runner.offload_processes)
            stack.push_async_callback(offloader.close)
        yield Opened(app, settings, client, services, offloader, await _former(app, client))


async def _former(app: Parts, client: QueueClient) -> Sequence[str]:
    """Return what was a partition of one of the application's queues, and still is in use."""
    from runner.broker.announced import QueuesInSight
    from runner.broker.keys import whole_queue

    own = app.queues
    in_sight = QueuesInSight(client, own)
    await in_sight.look()
    return [name for name in in_sight if name not in own and whole_queue(name) in own]


@asynccontextmanager
async def connected(app: Parts, url: str) -> AsyncIterator[QueueClient]:
    """Give a client of a Redis that answers; see `App`."""
    from runner.broker.redis_risks import refuse_old_server
    from runner.client import connect
    from runner.current import using
    from runner.sealing import use_keys

    limits = app.settings.runner
    use_keys(app.settings.secret_keys)
    client = connect(
        url,
        call_timeout_s=limits.call_timeout_s,
        max_body_bytes=limits.max_body_bytes,
        strict_queues=app.strict_queues,
        prefix=app.prefix,
    )
    try:
        try:
            await client.ping()
            await refuse_old_server(client)
        except (RedisError, OSError) as error:
            raise app.unreachable(_reason(error, url)) from None
        client.servers = app.servers
        with using(client):
            yield client
    finally:
        await client.aclose()


async def session(app: Parts, client: QueueClient) -> OperatorSession:
    """What an operator works with."""
    from runner.broker.announced import QueuesInSight
    from runner.broker.redis_clock import redis_now
    from runner.operations.actions import Operator
    from runner.operations.catalog import Catalog
    from runner.operations.session import OperatorSession
    from runner.wording import count_ages_from

    in_sight = QueuesInSight(client, app.queues)
    await in_sight.look()
    count_ages_from(await redis_now(client))
    for one in in_sight.away:
        _log.warning("%s", one)
    return OperatorSession(
        redis=client,
        queues=in_sight,
        jobs={job.name: job for job in app.jobs},
        schedule=app.schedule,
        catalog=Catalog.of(app.jobs),
        operator=Operator(client, f"terminal:{_user()}", in_sight),
        look_again=in_sight.look,
    )


def health_checks(
    redis: Redis, queues: Sequence[str], *, poll_interval_s: float
) -> Sequence[HealthCheck]:
    """Whether Redis answers, each of *queues* has a live worker, and the poller has just run."""
    from runner.periodic.poller import poll_age_s
    from runner.processes.health import PollerIsFresh, QueuesHaveWorkers
    from runner.worker.heartbeat import live_workers

    return [
        *_servers_answer(redis),
        QueuesHaveWorkers(queues, lambda: live_workers(redis, list(queues))),
        PollerIsFresh(lambda: poll_age_s(redis, queues), interval_s=poll_interval_s),
    ]


def _servers_answer(redis: Redis) -> Sequence[HealthCheck]:
    from runner.broker.servers import everywhere, name_of
    from runner.processes.health import RedisAnswers

    first, *others = everywhere(redis)
    return [RedisAnswers(first), *[RedisAnswers(one, f"redis {name_of(one)}") for one in others]]


async def resolve(host: str, port: int) -> None:
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
    from runner.broker.outage import AWAY, REFUSED, TLS_HINT, is_cut_off, situation

    text, what = str(error).rstrip("."), situation(error)
    if isinstance(error, RedisTimeoutError) and url.startswith("rediss:"):
        return f"{text}: a server without TLS does not answer rediss://"
    if is_cut_off(error) and not url.startswith("rediss:"):
        return f"{text}: {TLS_HINT}"
    return text if what in (AWAY, REFUSED) else f"{what}: {text}"
