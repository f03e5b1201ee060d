"""
The way to Redis: `QueueClient`, arq's client with our enqueue under it.

A service needs nothing but `REDIS_URL`: the first `enqueue` of an event loop opens a client for
it. `use` puts another client in its place, as a worker does for the jobs that it runs.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import redis
from arq.connections import ArqRedis, RedisSettings
from arq.jobs import Job as ArqJob
from arq.jobs import JobDef, deserialize_job
from arq.utils import timestamp_ms, to_ms, to_unix_ms
from redis.asyncio import SSLConnection as AsyncSSLConnection
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool

from runner import codec
from runner.broker import keys
from runner.broker.cancel_safe import send_promptly
from runner.enqueue import ClientMiddleware, Enqueuer, Transport, new_job_id
from runner.errors import ConfigurationError
from runner.serializers import request_maker

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from redis.asyncio import Redis

_CONNECT_TIMEOUT_S = 5.0
_ANSWER_TIMEOUT_S = 10.0
_KEEPALIVE_S = 30
_SENTINEL_PORT = 26379

_TWIN_OPTIONS = frozenset(("host", "port", "path", "db", "username", "password"))


@dataclass(repr=False)
class RedisLocation(RedisSettings):
    """arq's settings, read from a URL, with the URL kept (without its password) for messages."""

    shown: str = "redis://localhost:6379"


class QueueClient(ArqRedis):
    """
    A connection pool to the Redis that holds the queues.

    Everything of `arq.connections.ArqRedis` works; `enqueue_job` puts the job in by the same
    atomic script as ours, so that an idle worker picks it up at once.
    """

    enqueuer: Enqueuer
    watchers: Sequence[Redis] = ()

    def __init__(
        self, *args: Any, client_middleware: Sequence[ClientMiddleware] = (), **kwargs: Any
    ) -> None:
        kwargs.setdefault("job_serializer", codec.dumps)
        kwargs.setdefault("job_deserializer", codec.loads)
        kwargs.setdefault("default_queue_name", keys.queue_key("default"))
        # Nothing expires unless asked to; arq's own default is a day.
        kwargs.setdefault("expires_extra_ms", None)
        super().__init__(*args, **kwargs)
        send_promptly(self)
        self.enqueuer = Enqueuer(self, client_middleware)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001 -- redis-py's own signature
        """Close every connection."""
        await self.enqueuer.close()
        await super().aclose(close_connection_pool)
        for watcher in self.watchers:
            await watcher.aclose()

    async def enqueue_job(
        self,
        function: str,
        *args: Any,
        _job_id: str | None = None,
        _queue_name: str | None = None,
        _defer_until: datetime | None = None,
        _defer_by: float | timedelta | None = None,
        _expires: float | timedelta | None = None,
        _job_try: int | None = None,
        **kwargs: Any,
    ) -> ArqJob | None:
        """
        arq's call, with arq's answer: None if a job or a result of this id is there already.

        Unlike arq's, the job expires only if `_expires`, or the client's `expires_extra_ms`, says
        so.

        Raises:
            CodecError: An argument has no JSON form; with a serializer of the user's own, arq's
                `SerializationError`.
            EnqueueError: Redis did not take the job.
        """
        if _defer_until and _defer_by:
            raise RuntimeError("use either 'defer_until' or 'defer_by' or neither, not both")
        queue_name = _queue_name or self.default_queue_name
        due_ms = None if _defer_until is None else to_unix_ms(_defer_until)
        delay_ms = to_ms(_defer_by) or None
        request = request_maker(self.job_serializer)(
            queue=keys.queue_of(queue_name),
            job_id=_job_id or new_job_id(),
            name=function,
            args=args,
            kwargs=kwargs,
            due_ms=due_ms,
            delay_ms=delay_ms,
            as_arq=True,
            expires_ms=to_ms(_expires) or self._expires_ms(due_ms, delay_ms),
            attempt=_job_try,
        )
        if not await self.enqueuer.put(request):
            return None
        return ArqJob(
            request.job_id, self, _queue_name=queue_name, _deserializer=self.job_deserializer
        )

    def _expires_ms(self, due_ms: int | None, delay_ms: int | None) -> int | None:
        """From now: as long after the job is due as the client was told to keep it; None: ever."""
        extra_ms: int | None = self.expires_extra_ms
        if not extra_ms:
            return None
        wait_ms = delay_ms or 0 if due_ms is None else due_ms - timestamp_ms()
        return max(0, wait_ms) + extra_ms

    async def queued_jobs(self, *, queue_name: str | None = None) -> list[JobDef]:
        """Jobs that wait or run, by due time. Unlike arq's, one whose body is gone is left out."""
        queue = queue_name or self.default_queue_name
        ids = await self.zrange(queue, 0, -1, withscores=True)
        if not ids:
            return []
        bodies = await self.mget([keys.JOB_PREFIX.encode() + job_id for job_id, _ in ids])
        jobs = []
        for (job_id, due_ms), body in zip(ids, bodies, strict=True):
            if body is not None:
                one = deserialize_job(body, deserializer=self.job_deserializer)
                one.job_id, one.score = job_id.decode("utf-8", "backslashreplace"), int(due_ms)
                jobs.append(one)
        return jobs


def location(url: str) -> RedisLocation:
    """
    Settings for `redis://`, `rediss://`, `unix://` and `redis+sentinel://` URLs.

    Sentinel: `redis+sentinel://[user:password@]host:port[,host:port…]/service[/database]`.

    Raises:
        ConfigurationError: The URL is none of these.
    """
    shown = _without_password(url)
    try:
        parts = urlsplit(url)
        if parts.scheme == "redis+sentinel":
            return _sentinel_location(url, shown)
        if parts.scheme not in {"redis", "rediss", "unix"}:
            raise ValueError(f"scheme {parts.scheme!r}")  # noqa: TRY301 -- one place explains all
        database = parse_qs(parts.query).get("db", [""])[0]
        if not database and parts.scheme != "unix":
            database = parts.path.lstrip("/")
        if parts.scheme == "unix" and not parts.path:
            raise ValueError("no path")  # noqa: TRY301 -- likewise
        return RedisLocation(
            host=parts.hostname or "localhost",
            port=parts.port or 6379,
            unix_socket_path=parts.path if parts.scheme == "unix" else None,
            database=_database(database),
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            ssl=parts.scheme == "rediss",
            shown=shown,
        )
    except ValueError as error:
        raise ConfigurationError(
            f"REDIS_URL {shown!r} is not a Redis address ({error}): "
            "write it as redis://host:6379/0, rediss://…, unix:///path or redis+sentinel://…"
        ) from None


def connect(
    where: str | RedisSettings,
    *,
    client_middleware: Sequence[ClientMiddleware] = (),
    queue: str = "default",
) -> QueueClient:
    """
    A client for *where*. Nothing is sent yet: the first command connects.

    Raises:
        ConfigurationError: *where* is not a Redis address.
    """
    settings = location(where) if isinstance(where, str) else where
    options: dict[str, Any] = {
        "db": settings.database,
        "username": settings.username,
        "password": settings.password,
        "socket_connect_timeout": max(settings.conn_timeout, _CONNECT_TIMEOUT_S),
        "socket_timeout": _ANSWER_TIMEOUT_S,
        "health_check_interval": _KEEPALIVE_S,
        "retry": settings.retry,
        "retry_on_timeout": settings.retry_on_timeout,
        "retry_on_error": settings.retry_on_error,
        "max_connections": settings.max_connections,
    }
    if settings.ssl:
        options |= {
            "ssl": True,
            "ssl_keyfile": settings.ssl_keyfile,
            "ssl_certfile": settings.ssl_certfile,
            "ssl_cert_reqs": settings.ssl_cert_reqs,
            "ssl_ca_certs": settings.ssl_ca_certs,
            "ssl_ca_data": settings.ssl_ca_data,
            "ssl_check_hostname": settings.ssl_check_hostname,
        }
    if settings.sentinel:
        client = _sentinel_client(settings, options)
        client.enqueuer = Enqueuer(client, client_middleware)
    else:
        client = QueueClient(
            host=settings.host,
            port=settings.port,
            unix_socket_path=settings.unix_socket_path,
            client_middleware=client_middleware,
            **options,
        )
    client.default_queue_name = keys.queue_key(queue)
    return client


def current_client() -> QueueClient:
    """
    The client in use here: the running worker's, or this event loop's own for `REDIS_URL`.

    Raises:
        ConfigurationError: `REDIS_URL` is not set, or is not a Redis address.
    """
    client = _used.get()
    if client is not None:
        return client
    loop = asyncio.get_running_loop()
    client = _by_loop.get(loop)
    if client is None:
        # The one place outside settings/ that reads the environment: a service that enqueues
        # has our jobs and REDIS_URL, and none of our settings.
        url = os.environ.get("REDIS_URL")
        if not url:
            raise ConfigurationError(
                "no Redis to enqueue into: set REDIS_URL, such as redis://localhost:6379/0"
            )
        client = _by_loop[loop] = connect(url)
    return client


def use(client: QueueClient) -> None:
    """Enqueue through *client* from here on: in this task and all that it starts."""
    _used.set(client)


def blocking_twin(client: Redis) -> redis.Redis:
    """
    A client for the same Redis that needs no event loop: for a thread that watches one.

    Raises:
        ConnectionError: Behind sentinels, *client* has not connected yet.
    """
    options = {
        name: value
        for name, value in client.connection_pool.connection_kwargs.items()
        if name in _TWIN_OPTIONS or name.startswith("ssl_")
    }
    if isinstance(client.connection_pool, SentinelConnectionPool):
        if client.connection_pool.master_address is None:
            raise redis.ConnectionError("no master is known")
        options["host"], options["port"] = client.connection_pool.master_address
    options["socket_timeout"] = options["socket_connect_timeout"] = _CONNECT_TIMEOUT_S
    kind: type[redis.connection.AbstractConnection] = redis.Connection
    if "path" in options:
        kind = redis.UnixDomainSocketConnection
    elif issubclass(client.connection_pool.connection_class, AsyncSSLConnection):
        kind = redis.SSLConnection
    return redis.Redis(connection_pool=redis.ConnectionPool(kind, **options))


async def disconnect() -> None:
    """Close this event loop's own client, if there is one. A service calls it as it ends."""
    client = _by_loop.pop(asyncio.get_running_loop(), None)
    if client is not None:
        await client.aclose()


def transport() -> Transport:
    """Where jobs enqueued here go: a test's own list, or the current client."""
    return test_transports[-1] if test_transports else current_client().enqueuer


test_transports: list[Transport] = []
"""`runner.testing` pushes here; the last one takes everything."""

_used: ContextVar[QueueClient | None] = ContextVar("used_client", default=None)
_by_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, QueueClient] = (
    weakref.WeakKeyDictionary()
)


def _sentinel_location(url: str, shown: str) -> RedisLocation:
    rest = url.partition("://")[2]
    userinfo, _, rest = rest.rpartition("@")
    username, _, password = userinfo.partition(":")
    addresses, _, path = rest.partition("/")
    service, _, database = path.partition("?")[0].partition("/")
    sentinels = []
    for address in addresses.split(","):
        one = urlsplit(f"//{address}")
        if not one.hostname:
            raise ValueError("a sentinel without a host")
        sentinels.append((one.hostname, one.port or _SENTINEL_PORT))
    if not service:
        raise ValueError("no service name")
    return RedisLocation(
        host=sentinels,
        sentinel=True,
        sentinel_master=service,
        database=_database(database),
        username=unquote(username) or None,
        password=unquote(password) or None,
        shown=shown,
    )


def _database(text: str) -> int:
    number = int(text or 0)
    if number < 0:
        raise ValueError(f"database {number}")
    return number


def _sentinel_client(settings: RedisSettings, options: dict[str, Any]) -> QueueClient:
    """arq's own branch forgets the timeouts; without them a failover is never noticed."""
    sentinel = Sentinel(  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        settings.host,
        sentinel_kwargs={
            "socket_connect_timeout": options["socket_connect_timeout"],
            "socket_timeout": options["socket_timeout"],
        },
        **options,
    )
    client: QueueClient = sentinel.master_for(settings.sentinel_master, redis_class=QueueClient)
    client.watchers = sentinel.sentinels
    return client


def _without_password(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    userinfo, at, place = rest.rpartition("@")
    user = userinfo.partition(":")[0]
    return f"{scheme}{mark}{user}{':…' if ':' in userinfo else ''}{at}{place}"
