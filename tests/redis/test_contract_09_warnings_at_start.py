"""Contract 9: a worker warns as it starts when Redis may evict keys or keeps nothing on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from runner import Context, connect, job
from runner.broker.redis_risks import risks
from tests.redis_server import running_redis
from tests.runner_kit import working

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runner import QueueClient
    from tests.redis_server import RedisServer


@job(queue="default")
async def act(ctx: Context) -> None:
    """Stand for any job."""
    raise NotImplementedError(ctx)


@pytest.fixture
async def own(own_redis_server: RedisServer) -> AsyncIterator[QueueClient]:
    """Return a client of a server that the test may configure; its append-only file is on."""
    client = connect(own_redis_server.url)
    yield client
    await client.aclose()


async def test_redis_that_keeps_everything_is_no_risk(own: QueueClient) -> None:
    """Without eviction and with an append-only file there is no risk."""
    assert await risks(own) == []


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_redis_that_evicts_keys_is_a_risk(own: QueueClient, policy: str) -> None:
    """A Redis set up as a cache drops jobs, or their leases, when it is full."""
    await own.config_set("maxmemory", "100mb")
    await own.config_set("maxmemory-policy", policy)

    [found] = await risks(own)
    assert f"it evicts keys when its memory is full (maxmemory-policy {policy})" in found
    assert found.endswith("set maxmemory-policy noeviction")


async def test_redis_without_a_limit_evicts_nothing(own: QueueClient) -> None:
    """Without `maxmemory` the policy has no effect."""
    await own.config_set("maxmemory-policy", "allkeys-lru")

    assert await risks(own) == []


@pytest.mark.parametrize(
    ("save", "risk"), [("", "it keeps nothing on disk"), ("3600 1", "only now and then")]
)
async def test_redis_without_an_append_only_file_is_a_risk(
    own: QueueClient, save: str, risk: str
) -> None:
    """With nothing on disk all is lost in a crash, with snapshots what came after the last."""
    await own.config_set("appendonly", "no")
    await own.config_set("save", save)

    [found] = await risks(own)
    assert risk in found
    assert found.endswith("set appendonly yes")


async def test_redis_that_hides_its_configuration_is_judged_by_what_it_shows() -> None:
    """A managed Redis refuses CONFIG: the worker starts, and does not warn of what may be wrong."""
    hidden = ("--rename-command", "CONFIG", "", "--save", "")
    with running_redis(options=hidden) as server:
        client = connect(server.url)
        assert await risks(client) == []
        await client.aclose()
        async with working(server.url, act):
            pass


async def test_worker_warns_once_in_a_process(
    own_redis_server: RedisServer, own: QueueClient
) -> None:
    """Several workers of one process log a risk once."""
    await own.config_set("appendonly", "no")
    await own.config_set("save", "")
    with capture_logs() as lines:
        for _ in range(2):
            async with working(own_redis_server.url, act):
                pass

    warnings = [line for line in lines if line["event"] == "Redis may lose jobs"]
    assert [(line["log_level"], line["risk"]) for line in warnings] == [
        ("warning", "it keeps nothing on disk: set appendonly yes")
    ]
