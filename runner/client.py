"""The Redis client: `QueueClient`, arq's client with our enqueue."""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from arq.connections import ArqRedis, RedisSettings
from arq.jobs import Job as ArqJob
from arq.jobs import JobDef, JobResult, deserialize_job
from arq.utils import timestamp_ms, to_ms, to_unix_ms
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import TimeoutError as RedisTimeoutError

from runner import chance, codec
from runner.awaited import Watcher
from runner.blocking import BlockingClient
from runner.broker import keys
from runner.broker.cancel_safe import make_cancel_safe
from runner.broker.chunks import MOST
from runner.broker.cluster import SlotMovedError, SlotMovingError, SlotPool
from runner.broker.location import (
    CONNECT_TIMEOUT_S,
    RedisLocation,
    is_cluster,
    is_same,
    location,
    slot_of,
)
from runner.broker.servers import Servers, servers_of
from runner.checks import optional, text
from runner.enqueue import CALL_TIMEOUT_S, MAX_BODY_BYTES, ClientMiddleware
from runner.enqueuer import Enqueuer, Router
from runner.errors import ConfigurationError, refuse
from runner.serializers import request_maker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence
    from datetime import datetime, timedelta

    from redis.asyncio import Redis

    from runner.broker.keys import Keys
    from runner.enqueue import Transport

T = TypeVar("T")

_ANSWER_TIMEOUT_S = 10.0
_KEEPALIVE_S = 30
_NODE_TIMEOUT_S = 1.0
"""How long to wait for a node of a cluster, before another is asked who the master is."""
_SENT_AGAIN = 6
_NO_LIMIT = 2**31
_PROTOCOL = 2


class QueueClient(ArqRedis):
    """
    A connection pool to the Redis that holds the queues.

    All of `arq.connections.ArqRedis` works. `enqueue_job` uses the same atomic script as `@job`,
    so that an idle worker picks the job up at once.
    """

    enqueuer: Enqueuer
    results: Watcher
    watchers: Sequence[Redis] = ()
    call_timeout_s: float
    max_body_bytes: int
    strict_queues: bool
    client_middleware: Sequence[ClientMiddleware]
    own_keys: Keys = keys.ARQ
    """Under which keys this client's application has its jobs: those of its prefix."""
    settings: RedisSettings | None = None
    """Where `connect` was told that Redis is."""
    servers: Servers | None = None
    """Where the queues are, if they are not all here."""
    is_away = False
    """Whether pages that show several servers found this one not to answer."""
    _beside: list[QueueClient]
    """The clients of this event loop for those servers, this one among them."""

    def __init__(
        self,
        *args: Any,
        client_middleware: Sequence[ClientMiddleware] = (),
        call_timeout_s: float = CALL_TIMEOUT_S,
        max_body_bytes: int = MAX_BODY_BYTES,
        strict_queues: bool = False,
        prefix: str = "",
        **kwargs: Any,
    ) -> None:
        own_keys = keys.with_prefix(prefix)
        kwargs.setdefault("job_serializer", codec.dumps)
        kwargs.setdefault("job_deserializer", codec.loads)
        kwargs.setdefault("default_queue_name", own_keys.queue_key("default"))
        # Nothing expires unless asked to; arq's own default is a day.
        kwargs.setdefault("expires_extra_ms", None)
        super().__init__(*args, **kwargs)
        make_cancel_safe(self)
        self._use(
            own_keys,
            client_middleware,
            call_timeout_s,
            max_body_bytes,
            strict_queues=strict_queues,
        )

    def _use(
        self,
        own_keys: Keys,
        middleware: Sequence[ClientMiddleware],
        call_timeout_s: float,
        max_body_bytes: int,
        *,
        strict_queues: bool,
    ) -> None:
        self.own_keys = own_keys
        if isinstance(self.connection_pool, SlotPool):
            self.connection_pool.slots.serve(own_keys)
        self.call_timeout_s = call_timeout_s
        self.max_body_bytes = max_body_bytes
        self.strict_queues = strict_queues
        self.client_middleware = tuple(middleware)
        self._beside = [self]
        self.results = Watcher(self)
        self.enqueuer = Enqueuer(
            self,
            middleware,
            timeout_s=call_timeout_s,
            max_body_bytes=max_body_bytes,
            strict_queues=strict_queues,
        )

    def twin(self) -> QueueClient:
        """Return another client for the same Redis, such as for another event loop."""
        if self.settings is not None:
            twin = _open(self.settings)
        else:
            pool = self.connection_pool
            twin = QueueClient(
                connection_pool=ConnectionPool(
                    pool.connection_class,
                    max_connections=pool.max_connections,
                    **pool.connection_kwargs,
                )
            )
            twin.auto_close_connection_pool = True
        return self._like_this(twin)

    def _like_this(self, other: QueueClient) -> QueueClient:
        """Give *other* what this client was made with, except for where it is."""
        own_keys = self.own_keys
        if other.settings is not None:
            own_keys = keys.with_prefix(own_keys.prefix, slot=slot_of(other.settings))
        other.job_serializer = self.job_serializer
        other.job_deserializer = self.job_deserializer
        other.expires_extra_ms = self.expires_extra_ms
        other._use(
            own_keys,
            self.client_middleware,
            self.call_timeout_s,
            self.max_body_bytes,
            strict_queues=self.strict_queues,
        )
        name = self.own_keys.queue_of(self.default_queue_name)
        other.default_queue_name = own_keys.queue_key(name)
        other.servers = self.servers
        return other

    def at(self, queue: str) -> QueueClient:
        """
        Return the client for *queue*: this one, unless the queue is on another server.

        Raises:
            ConfigurationError: Two settings classes say different things of where it is.
        """
        return self if self.servers is None else self._on(self.servers.of(queue))

    def everywhere(self) -> list[QueueClient]:
        """Return a client for each server, that of the default first."""
        return [self] if self.servers is None else [self._on(one) for one in self.servers.each]

    def _on(self, server: RedisSettings) -> QueueClient:
        for one in self._beside:
            if one.settings is server:
                return one
        for one in self._beside:
            if one.settings is not None and is_same(one.settings, server):
                return one
        other = self._like_this(_open(server))
        # A thread that does the same meanwhile leaves one that never connects.
        self._beside.append(other)
        other._beside = self._beside  # noqa: SLF001 -- its own kind
        return other

    @property
    def has_all_queues(self) -> bool:
        """Whether every queue is on this client's server."""
        servers = self.servers
        return servers is None or (servers.is_one and servers.default is self.settings)

    @property
    def transport(self) -> Transport:
        """Where jobs of any queue are enqueued."""
        return self.enqueuer if self.has_all_queues else Router(self)

    @cached_property
    def blocking(self) -> BlockingClient:
        """Calls to the same Redis that block their thread; closed with this client."""
        return BlockingClient(
            self,
            self.client_middleware,
            timeout_s=self.call_timeout_s,
            max_body_bytes=self.max_body_bytes,
            strict_queues=self.strict_queues,
        )

    async def in_time(self, call: Awaitable[T]) -> T:
        """
        Return what *call* returns, after `call_timeout_s` seconds at most.

        Raises:
            redis.TimeoutError: Redis did not answer in time; what was asked may happen or not.
        """
        try:
            async with asyncio.timeout(self.call_timeout_s):
                return await call
        except TimeoutError:
            raise RedisTimeoutError(f"no answer within {self.call_timeout_s:g} s") from None

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001 -- redis-py's own signature
        """Close every connection, once what is being enqueued is sent; also to other servers."""
        beside, self._beside = self._beside, [self]
        if beside[0] is self:
            for other in beside[1:]:
                await other.aclose(close_connection_pool)
        if "blocking" in vars(self):
            self.blocking.close()
        try:
            await self.results.close()
            await self.enqueuer.close()
        finally:
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
        Enqueue as arq does: None if a job or a result of this id is there already.

        Unlike arq's, the job expires only if `_expires` or the client's `expires_extra_ms` is set.

        Raises:
            CodecError: An argument has no JSON form; with a serializer of your own, arq's
                `SerializationError`.
            EnqueueError: Redis did not take the job.
        """
        if _defer_until and _defer_by:
            raise RuntimeError("use either 'defer_until' or 'defer_by' or neither, not both")
        queue_name = _queue_name or self.default_queue_name
        refuse(
            "enqueue_job",
            text("function", function),
            optional(text("_job_id", _job_id), _job_id),
            text("_queue_name", queue_name),
        )
        due_ms = None if _defer_until is None else to_unix_ms(_defer_until)
        delay_ms = to_ms(_defer_by) or None
        request = request_maker(self.job_serializer)(
            queue=self.own_keys.queue_of(queue_name),
            job_id=_job_id or chance.new_id(),
            name=function,
            args=args,
            kwargs=kwargs,
            due_ms=due_ms,
            delay_ms=delay_ms,
            as_arq=True,
            unique=_job_id is not None,
            expires_ms=to_ms(_expires) or self._expires_ms(due_ms, delay_ms),
            attempt=_job_try,
        )
        where = self.at(request.queue)
        if not await where.enqueuer.put(request):
            return None
        kind = ArqJob if self.own_keys.are_arqs else _UnknownToArq
        return kind(
            request.job_id, where, _queue_name=queue_name, _deserializer=self.job_deserializer
        )

    def _expires_ms(self, due_ms: int | None, delay_ms: int | None) -> int | None:
        """Return the ms until the job expires, `expires_extra_ms` after it is due; None: never."""
        extra_ms: int | None = self.expires_extra_ms
        if not extra_ms:
            return None
        wait_ms = delay_ms or 0 if due_ms is None else due_ms - timestamp_ms()
        return max(0, wait_ms) + extra_ms

    async def queued_jobs(self, *, queue_name: str | None = None) -> list[JobDef]:
        """Return the jobs that wait or run, by due time; unlike arq, not those without a body."""
        queue = queue_name or self.default_queue_name
        prefix = self.own_keys.job_prefix.encode()
        jobs: list[JobDef] = []
        start = 0
        while ids := await self.zrange(queue, start, start + MOST - 1, withscores=True):
            start += MOST
            bodies = await self.mget([prefix + job_id for job_id, _ in ids])
            for (job_id, due_ms), body in zip(ids, bodies, strict=True):
                if body is not None:
                    one = deserialize_job(body, deserializer=self.job_deserializer)
                    one.job_id, one.score = job_id.decode("utf-8", "backslashreplace"), int(due_ms)
                    jobs.append(one)
        return jobs

    async def all_job_results(self) -> list[JobResult]:
        """
        Return the results that are kept, as arq does.

        Raises:
            ConfigurationError: The client has a prefix, or a cluster.
        """
        if not self.own_keys.are_arqs:
            raise _refused("all_job_results", self.own_keys)
        return await super().all_job_results()


class _UnknownToArq(ArqJob):
    """A job under a prefix: arq's own class looks for its jobs under `arq:` alone."""

    async def _refuse(self, *_: Any, **__: Any) -> Any:
        raise _refused("the Job that enqueue_job returns", keys.of(self._redis))

    result = _refuse
    result_info = _refuse
    info = _refuse
    status = _refuse
    abort = _refuse


def _refused(what: str, own: Keys) -> ConfigurationError:
    return ConfigurationError(
        f"{what}: arq looks under {keys.ARQ_BASE!r} alone, and this client's keys begin with "
        f"{own.base!r}: use runner.JobHandle(id, queue), which has state, result and abort"
    )


def connect(
    where: str | RedisSettings,
    *,
    client_middleware: Sequence[ClientMiddleware] = (),
    queue: str = "default",
    call_timeout_s: float = CALL_TIMEOUT_S,
    max_body_bytes: int = MAX_BODY_BYTES,
    strict_queues: bool = False,
    prefix: str = "",
    queues: Mapping[str, str | RedisSettings] | None = None,
) -> QueueClient:
    """
    Return a client for *where*. It connects at its first command.

    call_timeout_s: how long an enqueue, and a question or order of a job's handle, waits for Redis
    in all; then it raises.
    max_body_bytes: the largest job that it enqueues, as JSON; 10 MiB by default.
    strict_queues: refuse a queue that no worker has announced; otherwise that is logged, once.
    prefix: that of the application, such as 'shop:', with which its keys begin; by default those of
    stock arq. queues: those that have a Redis of their own, and where it is.

    Raises:
        ConfigurationError: *where* is not a Redis address, or *prefix* cannot be one.
    """
    here = location(where) if isinstance(where, str) else where
    own_keys = keys.with_prefix(prefix, slot=slot_of(here))
    client = _open(here)
    client._use(  # noqa: SLF001 -- Sentinel makes it without them
        own_keys, client_middleware, call_timeout_s, max_body_bytes, strict_queues=strict_queues
    )
    client.default_queue_name = own_keys.queue_key(queue)
    if queues:
        client.servers = servers_of(here, queues)
    return client


def _open(settings: RedisSettings) -> QueueClient:
    options: dict[str, Any] = {
        "db": settings.database,
        "username": settings.username,
        "password": settings.password,
        "socket_connect_timeout": max(settings.conn_timeout, CONNECT_TIMEOUT_S),
        "socket_timeout": _ANSWER_TIMEOUT_S,
        "health_check_interval": _KEEPALIVE_S,
        "retry": settings.retry,
        # Newer versions of redis-py have other defaults: retries of their own, below ours, a small
        # pool, and another protocol.
        "max_connections": settings.max_connections or _NO_LIMIT,
        "protocol": _PROTOCOL,
    }
    if settings.retry_on_error is not None:
        options["retry_on_error"] = settings.retry_on_error
    if settings.retry_on_timeout:
        options["retry_on_timeout"] = True
    elif settings.retry is None and settings.retry_on_error is None:
        options["retry"] = Retry(NoBackoff(), 0)
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
    if isinstance(settings, RedisLocation):
        options |= settings.beyond_arq
    if settings.sentinel:
        client = _sentinel_client(settings, options)
    elif is_cluster(settings):
        client = _cluster_client(settings, options)
    else:
        client = QueueClient(
            host=settings.host,
            port=settings.port,
            unix_socket_path=settings.unix_socket_path,
            **options,
        )
    client.settings = settings
    return client


def _cluster_client(settings: RedisSettings, options: dict[str, Any]) -> QueueClient:
    """Connect to the master of one slot; what it refuses since the slot moved is sent again."""
    moved = [SlotMovedError, SlotMovingError]
    backoff = ExponentialBackoff(cap=0.5, base=0.05)
    retry = Retry(backoff, _SENT_AGAIN, supported_errors=tuple(moved))
    options |= {"retry": retry, "retry_on_error": moved, "socket_connect_timeout": _NODE_TIMEOUT_S}
    secured = bool(options.pop("ssl", False))
    nodes: Any = settings.host
    client = QueueClient(connection_pool=SlotPool(nodes, secured=secured, **options))
    client.auto_close_connection_pool = True
    return client


def _sentinel_client(settings: RedisSettings, options: dict[str, Any]) -> QueueClient:
    """Connect by sentinels with timeouts: arq sets none, and so never notices a failover."""
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
