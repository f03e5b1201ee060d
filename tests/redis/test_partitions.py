"""Partitions on real servers: each is worked, seen and paused, also once there are fewer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runner import App, Context, Queue, WorkerSettings, connect, job
from runner.configuration import use_config_file
from runner.current import using
from runner.operations.queues import queues
from runner.workplace import session
from tests.redis_server import running_redis
from tests.runner_kit import eventually, soon

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from runner import QueueClient

FOUR = Queue("mail", partitions=4)


@job(queue=FOUR, keep_result_s=60)
async def send(_: Context, to: str) -> str:
    """Say to whom."""
    return f"sent to {to}"


class Quick(WorkerSettings):
    """A queue's options with short waits."""

    jobs = (send,)
    heartbeat_s = 0.2
    concurrency = 8


Four = type("Four", (Quick,), {"queue": FOUR})
Two = type("Two", (Quick,), {"queue": Queue("mail", partitions=2)})


async def test_partitions_are_worked_on_their_servers_and_former_ones_until_empty(
    redis: QueueClient, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs of four run where these are; the workers of two work the former ones, too."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    with running_redis() as elsewhere:
        config = tmp_path / "pipeline.toml"
        config.write_text(f'[redis_urls]\n"mail~1" = "{elsewhere.url}"\n')
        use_config_file(str(config))
        try:
            app = App([Four])
            async with app.open() as place, connect(elsewhere.url) as there:
                with using(place.redis):
                    handles = await send.enqueue_many([{"to": "ada"}] * 100)
                    assert await there.zcard("arq:queue:mail~1") > 0
                    assert await redis.exists("arq:queue:mail", "arq:queue:mail~3") == 2
                    assert await redis.exists("arq:queue:mail~1") == 0
                    async with place.fleet(app.queues).running():
                        results = await asyncio.gather(*[soon(one.result()) for one in handles])
                        assert set(results) == {"sent to ada"}
                    operator = await session(app, place.redis)
                    for name in operator.chosen_queues(["mail"]):
                        await operator.operator.pause(name)
                    found = await queues(place.redis, operator.queues)
                    assert [one.name for one in found if one.paused] == [*FOUR.names]
                    for name in FOUR.names:
                        await operator.operator.resume(name)
                    left = await send.enqueue_many([{"to": "bob"}] * 100)
        finally:
            use_config_file(None)

    fewer = App([Two])
    async with fewer.open() as place:
        assert [*place.former] == ["mail~2", "mail~3"]
        with using(place.redis):
            async with place.fleet(fewer.queues).running():
                kept = [one for one in left if one.queue != "mail~1"]
                assert {await soon(one.result()) for one in kept} == {"sent to bob"}

    async def is_left() -> bool:
        async with fewer.open() as place:
            return not place.former

    await eventually(is_left)
