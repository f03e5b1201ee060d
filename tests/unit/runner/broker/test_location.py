"""Redis addresses, and which client is used."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import redis
from arq.connections import RedisSettings

from runner import current
from runner.broker.blocking import blocking_twin
from runner.broker.location import location
from runner.client import QueueClient, connect
from runner.current import current_client, disconnect
from runner.errors import ConfigurationError


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://cache", {"host": "cache", "port": 6379, "database": 0, "ssl": False}),
        ("redis://", {"host": "localhost"}),
        ("redis://cache:6380/3", {"host": "cache", "port": 6380, "database": 3}),
        ("redis://cache?db=4", {"database": 4}),
        ("redis://[::1]:6380/1", {"host": "::1", "port": 6380, "database": 1}),
        ("rediss://cache", {"ssl": True}),
        ("redis://me:p%40ss@cache", {"username": "me", "password": "p@ss"}),
        ("redis://:secret@cache", {"username": None, "password": "secret"}),
        ("unix:///run/redis.sock?db=2", {"unix_socket_path": "/run/redis.sock", "database": 2}),
        ("unix://me:secret@/run/redis.sock", {"username": "me", "password": "secret"}),
        ("redis://cache/4?db=4&max_connections=7", {"database": 4, "max_connections": 7}),
        ("redis+sentinel://s1/main?db=3", {"sentinel_master": "main", "database": 3}),
        ("redis://cache?protocol=3", {"beyond_arq": {"protocol": 3}}),
        (
            "rediss://cache?ssl_cert_reqs=none&ssl_check_hostname=no",
            {"ssl_cert_reqs": "none", "ssl_check_hostname": False},
        ),
        (
            "redis+sentinel://me:secret@s1:26380,s2/main/5",
            {
                "host": [("s1", 26380), ("s2", 26379)],
                "sentinel": True,
                "sentinel_master": "main",
                "database": 5,
                "username": "me",
                "password": "secret",
            },
        ),
        ("redis+sentinel://s1/main", {"host": [("s1", 26379)], "database": 0, "username": None}),
        ("redis+sentinel://[::1]:26380,[::2]/main", {"host": [("::1", 26380), ("::2", 26379)]}),
    ],
)
def test_location_reads_every_form_of_address(url: str, expected: dict[str, Any]) -> None:
    """TCP, TLS, a Unix socket and Sentinel, with user, password and database."""
    settings = location(url)

    assert {name: getattr(settings, name) for name in expected} == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:6379",
        "http://cache",
        "redis://cache:notaport",
        "redis://cache:99999",
        "redis://cache/first",
        "redis://cache/-1",
        "redis://cache#1",
        "unix:///run/#1.sock",
        "redis://[::1",
        "redis+sentinel://s1",
        "redis+sentinel://s1:port/main",
        "redis+sentinel:///main",
        "unix://",
    ],
)
def test_location_refuses_anything_else_in_one_line(url: str) -> None:
    """The message says what is wrong with the address, and how to write one, without quoting it."""
    with pytest.raises(ConfigurationError) as raised:
        location(url)

    message = str(raised.value)
    assert url in {"", "unix://"} or url not in message
    assert "write it as redis://host:6379/0" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("redis://cache?db=first", "'db', which is no number from 0"),
        ("redis://cache?db=", "'db', which is no number"),
        ("redis://cache/1?db=2", "'db', and another database in its path"),
        ("redis://cache?db=1&db=1", "'db' twice"),
        ("redis://cache?decode_responses=true", "'decode_responses', which is not honoured"),
        ("redis://cache?socket_timeout=5", "'socket_timeout', which is not honoured"),
        ("redis://cache?slot=mail", "'slot', which only a cluster has: delete it"),
        ("redis+cluster://cache?slot=ma}il", "'slot', which is no word of letters"),
        ("redis+cluster://cache?slot=", "'slot', which is no word of letters"),
        ("redis://cache?nonsense", "'nonsense', which is not honoured"),
        ("unix:///run/redis.sock?ssl_verify=no", "'ssl_verify', which is not honoured"),
        ("redis+sentinel://s1/main?timeout=3", "'timeout', which is not honoured"),
        ("redis://cache?ssl_cert_reqs=none", "'ssl_cert_reqs', but no TLS: write rediss://"),
        ("unix:///run/redis.sock?ssl_cert_reqs=none", "'ssl_cert_reqs', but no TLS"),
        ("redis+sentinel://s1/main?ssl_ca_certs=/ca", "'ssl_ca_certs', but no TLS"),
        ("rediss://cache?ssl_cert_reqs=maybe", "'ssl_cert_reqs', which is none of none"),
        ("rediss://cache?ssl_check_hostname=perhaps", "'ssl_check_hostname', which is neither"),
        ("rediss://cache?ssl_ca_certs=/no/such.pem", "'ssl_ca_certs', whose file cannot be read"),
        (f"rediss://cache?ssl_ca_certs={__file__}", "'ssl_ca_certs', whose file holds no"),
        ("rediss://cache?ssl_ca_data=none", "'ssl_ca_data', which holds no certificate"),
        (f"rediss://cache?ssl_certfile={__file__}", "which needs 'ssl_keyfile', too"),
        (f"rediss://cache?ssl_keyfile={__file__}", "which needs 'ssl_certfile', too"),
        (
            f"rediss://cache?ssl_keyfile={__file__}&ssl_certfile={__file__}",
            "'ssl_certfile' and 'ssl_keyfile', which name no certificate",
        ),
        (
            "rediss://cache?ssl_cert_reqs=none&ssl_check_hostname=true",
            "'ssl_check_hostname', which needs ssl_cert_reqs=required",
        ),
        ("rediss://cache?ssl_min_version=1.1", "'ssl_min_version', which is neither"),
        ("rediss://cache?ssl_ciphers=ROT13", "'ssl_ciphers', which names no cipher"),
        ("redis://cache?protocol=4", "'protocol', which is neither 2 nor 3"),
        ("redis://cache?max_connections=0", "'max_connections', which is no number from 1"),
    ],
)
def test_option_that_cannot_be_honoured_is_refused_by_its_name(url: str, named: str) -> None:
    """In one line, without its value: none is ever ignored."""
    with pytest.raises(ConfigurationError) as raised:
        location(url)
    assert str(raised.value).startswith("REDIS_URL has the option")
    assert named in str(raised.value)
    assert "\n" not in str(raised.value)


def test_option_that_may_be_a_piece_of_a_password_is_not_quoted() -> None:
    """An address that was cut at a question mark."""
    with pytest.raises(ConfigurationError) as raised:
        location("redis://cache?Hunter2")
    assert "Hunter2" not in str(raised.value)


def test_location_never_shows_the_password() -> None:
    """Neither the error nor the log shows an address with its password."""
    assert location("redis://me:secret@cache").shown == "redis://me:…@cache"
    assert location("redis://:secret@cache").shown == "redis://:…@cache"
    assert (
        location("redis+sentinel://:secret@s1,s2/main/2").shown
        == "redis+sentinel://:…@s1,s2/main/2"
    )
    assert location("unix://:secret@/run/redis.sock").shown == "unix://:…@/run/redis.sock"
    assert (
        location("rediss://:secret@[::1]:7000/1?max_connections=9").shown
        == "rediss://:…@[::1]:7000/1"
    )


@pytest.mark.parametrize(
    "url",
    [
        "redis://me:PW@cache:port",
        "redis://me:PW@cache:99999",
        "redis://me:PW@cache/PW",
        "redis://:PW#1@cache",
        "redis://:1#PW@cache",
        "redis://me:1#PW@cache",
        "redis://:1/PW@cache",
        "redis://:1?PW@cache",
        "redis://:[PW@cache",
        "rediss:/:PW@cache",
        "rediss:me:PW@cache",
        "redis//:PW@cache",
        "://:PW@cache",
        "PW@cache",
        "http://me:PW@cache",
        "PW://cache",
        "redis+sentinel://:PW@s1:PW/main",
        "redis+sentinel://:PW@",
        "redis+sentinel://:PW/1@s1/main/PW",
        "unix://:PW@",
        "unix://:PW/1@/run/redis.sock",
    ],
)
def test_address_that_cannot_be_read_is_never_quoted(url: str) -> None:
    """A password with # or /, a slash too few: no part of it is in the error."""
    with pytest.raises(ConfigurationError) as raised:
        location(url)
    assert "PW" not in str(raised.value)
    assert "write it as redis://host:6379/0" in str(raised.value)


def test_connect_sends_nothing_yet() -> None:
    """A client can be created without Redis; the first command connects."""
    names = [connect("redis://127.0.0.1:1", queue=name).default_queue_name for name in ("a", "b")]

    assert names == ["arq:queue:a", "arq:queue:b"]


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1", "redis+sentinel://127.0.0.1:1/main"])
def test_connect_never_waits_without_end(url: str) -> None:
    """Every client has timeouts, that of Sentinel too, where arq has none."""
    options = connect(url).connection_pool.connection_kwargs

    assert options["socket_connect_timeout"] >= 1
    assert options["socket_timeout"] >= 1


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1", "redis+sentinel://127.0.0.1:1/main"])
async def test_connect_keeps_client_middleware(url: str) -> None:
    """The client's middleware wraps every enqueue, whatever the address."""
    asked: list[str] = []

    async def refuse(request: Any, _: Any) -> bool:
        asked.append(request.name)
        return False

    client = connect(url, client_middleware=[refuse])

    assert await client.enqueue_job("tidy") is None
    assert asked == ["tidy"]


def test_connect_takes_arqs_settings_too() -> None:
    """An arq user's RedisSettings work as they are."""
    client = connect(RedisSettings(host="cache", port=1234, database=2))

    options = client.connection_pool.connection_kwargs
    assert (options["host"], options["port"], options["db"]) == ("cache", 1234, 2)


async def test_current_client_needs_redis_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without REDIS_URL and without a worker the error is one clear line."""
    monkeypatch.delenv("REDIS_URL", raising=False)

    with pytest.raises(ConfigurationError, match="set REDIS_URL"):
        _ = await _current()


async def test_current_client_is_one_for_each_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """All tasks of a loop share a client; another loop gets its own; `disconnect` closes it."""
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")

    async def ask() -> QueueClient:
        client = current_client()
        assert await asyncio.create_task(_current()) is client
        await disconnect()
        return client

    here = await ask()
    elsewhere = await asyncio.to_thread(lambda: asyncio.run(ask()))

    assert elsewhere is not here
    assert current_client() is not here
    await disconnect()


async def test_use_holds_in_this_task_and_those_that_it_starts() -> None:
    """Only a worker's jobs enqueue through the worker's client."""
    client = connect("redis://127.0.0.1:1")

    async def inside() -> None:
        current.use(client)
        assert current_client() is client
        assert await asyncio.create_task(_current()) is client

    await asyncio.create_task(inside())

    assert current._used.get() is None


async def _current() -> QueueClient:
    return current_client()


def test_blocking_twin_reaches_the_same_redis() -> None:
    """It has the client's host, port, database, name and password, or its socket's path."""
    twin = blocking_twin(connect("redis://me:secret@cache:1234/5"))
    options = twin.connection_pool.connection_kwargs
    assert {name: options[name] for name in ("host", "port", "db", "username", "password")} == {
        "host": "cache",
        "port": 1234,
        "db": 5,
        "username": "me",
        "password": "secret",
    }

    twin = blocking_twin(connect("unix:///run/redis.sock"))
    assert twin.connection_pool.connection_kwargs["path"] == "/run/redis.sock"

    twin = blocking_twin(connect("rediss://cache:1234"))
    assert issubclass(twin.connection_pool.connection_class, redis.SSLConnection)


def test_blocking_twin_behind_sentinels_asks_them_for_the_master() -> None:
    """As its client does, whether that has connected or not; with TLS if it has."""
    client = connect("redis+sentinel://one:26379,two:26380/jobs/3")
    pool: Any = blocking_twin(client).connection_pool
    asked = [one.connection_pool.connection_kwargs for one in pool.sentinel_manager.sentinels]
    assert [(one["host"], one["port"]) for one in asked] == [("one", 26379), ("two", 26380)]
    assert (pool.service_name, pool.connection_kwargs["db"]) == ("jobs", 3)
    assert not issubclass(pool.connection_class, redis.SSLConnection)
