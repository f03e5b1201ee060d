"""Every option of a Redis address is honoured: by event loops, by threads, and by stages."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from runner import Context, connect, job
from runner.current import using
from tests.certificates import Certificates
from tests.redis_server import RedisServer, RedisServerError, free_port
from tests.runner_kit import soon

if TYPE_CHECKING:
    from collections.abc import Iterator


@job(queue="default")
async def act(_: Context) -> None:
    """Do nothing."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Return certificates for this module's servers."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


def _tls_server(certificates: Certificates, *options: str) -> Iterator[int]:
    port = free_port()
    server = RedisServer(options=("--tls-port", str(port), *certificates.of_server, *options))
    try:
        try:
            server.start()
        except RedisServerError as error:
            pytest.skip(f"this redis-server speaks no TLS: {error}")
        yield port
    finally:
        server.close()


@pytest.fixture(scope="module")
def secured(certificates: Certificates) -> Iterator[int]:
    """Give the port of a Redis that speaks TLS 1.2, and asks clients for no certificate."""
    yield from _tls_server(certificates, "--tls-auth-clients", "no", "--tls-protocols", "TLSv1.2")


@pytest.fixture(scope="module")
def strict(certificates: Certificates) -> Iterator[int]:
    """Give the port of a Redis that wants a certificate from its clients."""
    yield from _tls_server(certificates, "--tls-auth-clients", "yes")


async def _reaches(url: str) -> bool:
    """Whether a client, a stage and a thread all get through, or none does."""
    client = connect(url)
    through: list[bool] = []
    for ask in (client.ping, lambda: client.enqueuer._execute("PING")):
        try:
            await soon(ask())
            through.append(True)
        except (RedisError, ssl.SSLError):
            through.append(False)
    try:
        client.blocking.pool.run(("PING",))
        through.append(True)
    except (RedisError, ssl.SSLError):
        through.append(False)
    await client.aclose()
    assert len(set(through)) == 1
    return through[0]


@pytest.mark.parametrize(
    ("options", "host", "reached"),
    [
        ("", "localhost", False),
        ("?ssl_cert_reqs=none", "localhost", True),
        ("?ssl_cert_reqs=CERT_NONE", "127.0.0.1", True),
        ("?ssl_cert_reqs=required", "localhost", False),
        ("?ssl_ca_certs={ca}", "localhost", True),
        ("?ssl_ca_certs={other-ca}", "localhost", False),
        ("?ssl_cert_reqs=optional&ssl_ca_certs={other-ca}", "localhost", False),
        ("?ssl_ca_certs={ca}&ssl_check_hostname=true", "localhost", True),
        ("?ssl_ca_certs={ca}&ssl_check_hostname=true", "127.0.0.1", False),
        ("?ssl_ca_certs={ca}&ssl_check_hostname=false", "127.0.0.1", True),
        ("?ssl_ca_certs={ca}&ssl_min_version=TLSv1.2", "localhost", True),
        ("?ssl_ca_certs={ca}&ssl_min_version=TLSv1.3", "localhost", False),
        ("?ssl_ca_certs={ca}&ssl_ciphers=ECDHE-ECDSA-AES128-GCM-SHA256", "localhost", True),
        ("?ssl_ca_certs={ca}&ssl_ciphers=ECDHE-RSA-AES128-GCM-SHA256", "localhost", False),
    ],
)
async def test_tls_is_as_the_address_says(
    secured: int,
    certificates: Certificates,
    options: str,
    host: str,
    reached: bool,  # noqa: FBT001 -- a parameter of the cases
) -> None:
    """No check is made that was not asked for, and none is left out."""
    filled = _filled(options, certificates)
    assert await _reaches(f"rediss://{host}:{secured}/0{filled}") is reached


async def test_authority_may_stand_in_the_address(secured: int, certificates: Certificates) -> None:
    """Where secrets come as variables, and no file is at hand."""
    for name, reached in (("ca", True), ("other-ca", False)):
        text = quote((certificates.folder / name).read_text(), safe="")
        assert await _reaches(f"rediss://localhost:{secured}?ssl_ca_data={text}") is reached


async def test_client_shows_its_certificate(strict: int, certificates: Certificates) -> None:
    """A server that wants one lets only those in that have one."""
    with_own = "?ssl_ca_certs={ca}&ssl_certfile={client}&ssl_keyfile={client.key}"
    for options, reached in ((with_own, True), ("?ssl_ca_certs={ca}", False)):
        url = f"rediss://localhost:{strict}{_filled(options, certificates)}"
        assert await _reaches(url) is reached


def _filled(options: str, certificates: Certificates) -> str:
    for name in ("other-ca", "ca", "client.key", "client"):
        options = options.replace(f"{{{name}}}", certificates.path(name))
    return options


async def test_job_is_enqueued_over_tls(secured: int, certificates: Certificates) -> None:
    """The whole way, from an address alone."""
    client = connect(f"rediss://localhost:{secured}?ssl_ca_certs={certificates.path('ca')}")
    with using(client):
        handle = await act.enqueue()
    assert await client.exists(f"arq:job:{handle.id}")
    await client.aclose()


@pytest.mark.parametrize("protocol", [2, 3])
async def test_protocol_is_the_one_of_the_address(redis_url: str, protocol: int) -> None:
    """Of all three kinds of connections."""
    client = connect(_with(redis_url, f"protocol={protocol}"))
    greetings = [
        await client.execute_command("HELLO"),  # type: ignore[no-untyped-call]  # redis-py's own
        await client.enqueuer._execute("HELLO"),
        client.blocking.pool.run(("HELLO",))[0],
    ]
    await client.aclose()
    for one in greetings:
        found = one if isinstance(one, dict) else dict(zip(one[::2], one[1::2], strict=True))
        assert found.get(b"proto", found.get("proto")) == protocol


def _with(url: str, option: str) -> str:
    """Return the address with *option* in place of any that the run gave it."""
    return f"{url.partition('?')[0]}?{option}"


async def test_pool_is_as_large_as_the_address_says(redis_url: str) -> None:
    """One connection more is refused."""
    client = connect(_with(redis_url, "max_connections=2"))
    pool = client.connection_pool
    held = [await pool.get_connection() for _ in range(2)]
    with pytest.raises(RedisConnectionError, match="Too many connections"):
        await pool.get_connection()
    for one in held:
        await pool.release(one)
    await client.aclose()
