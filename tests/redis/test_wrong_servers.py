"""An address behind which there is no Redis, or none that will do: one clear line at once."""

from __future__ import annotations

import asyncio
import socketserver
import ssl
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar

import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from redis.exceptions import RedisError

from runner import Context, connect, job
from runner.broker.outage import AWAY, TLS_HINT, Outage, situation
from runner.broker.redis_risks import refuse_old_server
from runner.current import use
from runner.errors import ConfigurationError, EnqueueError
from runner.simulation.world import World
from runner.workplace import _reason
from tests.runner_kit import soon, worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.redis_server import RedisServer


@job(queue="default")
async def act(_: Context) -> None:
    """Do nothing."""


class _Web(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Greeting(socketserver.BaseRequestHandler):
    says: ClassVar[bytes] = b"220 mail.example ESMTP\r\n"

    def handle(self) -> None:
        self.request.sendall(self.says)
        self.request.recv(1)


class _Database(_Greeting):
    says = b"J\x00\x00\x00\x0a8.0.36\x00"


@contextmanager
def _serving(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def _others(request: pytest.FixtureRequest) -> Iterator[int]:
    """Return the port of a server of another kind."""
    if request.param is _Web:
        server: socketserver.TCPServer = ThreadingHTTPServer(("127.0.0.1", 0), _Web)
    else:
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), request.param)
    with _serving(server) as port:
        yield port


async def _error(url: str) -> RedisError | OSError:
    client = connect(url)
    try:
        await soon(client.ping())
    except (RedisError, OSError) as error:
        return error
    finally:
        await client.aclose()
    raise AssertionError("it answers")


@pytest.mark.parametrize("_others", [_Web, _Greeting, _Database], indirect=True)
async def test_server_that_is_no_redis_ends_a_starting_worker(_others: int) -> None:
    """It is a mistake; to wait for it would help nobody."""
    url = f"redis://127.0.0.1:{_others}"
    with pytest.raises(RedisError) as caught:
        await soon(worker(url, act).async_run())
    assert situation(caught.value) == "what answers is no Redis (check host and port)"
    assert _reason(await _error(url), url).startswith("what answers is no Redis")


@pytest.mark.parametrize("_others", [_Web], indirect=True)
async def test_tls_to_a_server_without_tls_is_told(_others: int) -> None:
    """Which setting to look at is in the line."""
    url = f"rediss://127.0.0.1:{_others}"
    error = await _error(url)
    assert _reason(error, url).startswith("the server speaks no TLS at this port")
    with pytest.raises(RedisError):
        await soon(worker(url, act).async_run())


async def test_tls_to_a_redis_without_tls_is_told(redis_server: RedisServer) -> None:
    """It says nothing, and waits for the end of what it takes for a command."""
    url = redis_server.url.replace("redis://", "rediss://")
    assert "does not answer rediss://" in _reason(await _error(url), url)


@pytest.fixture
async def tls_port(tmp_path: Path) -> AsyncIterator[int]:
    """Return the port of a server that speaks TLS."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    private, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(
        name, name, private.public_key(), 1, now, now + timedelta(days=1)
    ).sign(private, hashes.SHA256())
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    key.write_bytes(private.private_bytes(serialization.Encoding.PEM, *form))
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secured = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secured.load_cert_chain(certificate, key)
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=secured) as server:
        yield server.sockets[0].getsockname()[1]


async def test_no_tls_to_a_server_with_tls_is_told(tls_port: int) -> None:
    """It closes the connection without a word; the line names the scheme that it needs."""
    url = f"redis://127.0.0.1:{tls_port}"
    assert _reason(await _error(url), url).endswith(TLS_HINT)
    use(connect(url))
    with pytest.raises(EnqueueError, match="rediss://"):
        await act.enqueue()
    with structlog.testing.capture_logs() as lines:
        outage = Outage("w")
        outage.note_loss(await _error(url))
        outage.note_answer("ping")
        outage.note_loss(await _error(url))
    assert [TLS_HINT in line.get("error", "") for line in lines] == [True, False, False]


async def test_name_of_no_host_is_told() -> None:
    """It will not come into being."""
    url = "redis://redis.invalid:6379"
    assert "the host's name is not known" in _reason(await _error(url), url)
    with pytest.raises(RedisError):
        await soon(worker(url, act).async_run())


@pytest.mark.parametrize("_others", [_Web], indirect=True)
async def test_what_was_a_redis_before_is_waited_for(_others: int) -> None:
    """A proxy before it says in its own way that Redis is away."""
    outage = Outage("w")
    outage.note_answer("before")
    assert outage.passes(await _error(f"redis://127.0.0.1:{_others}"))
    assert situation(await _error("redis://127.0.0.1:1")) == AWAY


@pytest.mark.parametrize(
    ("version", "is_refused"), [((5, 0, 14), True), ((6, 0, 20), True), ((6, 2, 0), False)]
)
def test_redis_that_is_too_old_is_refused(
    version: tuple[int, int, int], *, is_refused: bool
) -> None:
    """With its version and the one that is needed."""

    async def look() -> None:
        client = connect("redis://simulated")
        try:
            await refuse_old_server(client)
        finally:
            await client.aclose()

    with World(1, redis_version=version) as world:
        world.process("service", look)
        world.run_until(lambda: bool(world.endings), longest_s=60)
        [(_, error)] = world.endings
    if is_refused:
        assert isinstance(error, ConfigurationError)
        assert f"Redis is version {'.'.join(map(str, version))}, and 6.2" in str(error)
    else:
        assert error is None


async def test_redis_at_hand_is_not_refused(redis_url: str) -> None:
    """Whichever the tests run on."""
    client = connect(redis_url)
    await refuse_old_server(client)
    await client.aclose()
