"""A client that needs no event loop, for the Redis of another client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import redis
from redis.asyncio import SSLConnection as AsyncSSLConnection
from redis.asyncio.sentinel import SentinelConnectionPool

from runner.broker.location import CONNECT_TIMEOUT_S

if TYPE_CHECKING:
    from redis.asyncio import Redis

_TWIN_OPTIONS = frozenset(("host", "port", "path", "db", "username", "password"))


def blocking_twin(client: Redis) -> redis.Redis:
    """
    Return a client for the Redis of *client* that a thread without an event loop can use.

    Raises:
        ConnectionError: *client* goes through sentinels, and has not connected yet.
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
    options["socket_timeout"] = options["socket_connect_timeout"] = CONNECT_TIMEOUT_S
    kind: type[redis.connection.AbstractConnection] = redis.Connection
    if "path" in options:
        kind = redis.UnixDomainSocketConnection
    elif issubclass(client.connection_pool.connection_class, AsyncSSLConnection):
        kind = redis.SSLConnection
    return redis.Redis(connection_pool=redis.ConnectionPool(kind, **options))
