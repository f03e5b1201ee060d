"""`App`: what the commands get from an application that only names its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import pytest
from redis.exceptions import RedisError

from runner import Context, Periodic, job
from runner.app import App
from runner.commands.host import Kind
from runner.errors import ConfigurationError, RunnerError
from runner.processes.health import Answers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runner import Job
    from runner.processes.health import HealthCheck


@job(queue="mail")
async def send(ctx: Context) -> None:
    """Is never run here."""
    raise NotImplementedError(ctx)


async def _hold() -> None:
    """Answer."""


class Shop(App):
    """An application that has nothing to do with channels."""

    queues: Sequence[str] = ("mail", "stock")
    jobs: Sequence[Job[Any, Any]] = (send,)
    schedule: Sequence[Periodic] = (Periodic("every night", send, "@daily"),)
    poll_interval_s = 15.0
    redis_url = "unix:///nowhere/redis.sock"
    statsd: tuple[str, int] | None = None

    def own_checks(self) -> Sequence[HealthCheck]:
        """It has a warehouse."""
        return [Answers("warehouse", _hold)]

    def unreachable(self, reason: str) -> RunnerError:
        """Name the remedy."""
        return ConfigurationError(f"{reason}: open the shop")


def test_app_names_what_a_shell_completes() -> None:
    """Queues, jobs and schedules are known by name, with no Redis running."""
    shop = Shop()
    kinds: Sequence[Kind] = get_args(Kind)

    assert {kind: list(shop.names(kind)) for kind in kinds} == {
        "queue": ["mail", "stock"],
        "job": ["send"],
        "schedule": ["every night"],
    }


async def test_app_explains_a_redis_that_does_not_answer(tmp_path: Path) -> None:
    """An operator gets one line, with the application's own remedy."""
    shop = Shop()
    shop.redis_url = f"unix://{tmp_path}/redis.sock"

    with pytest.raises(ConfigurationError, match=r"redis\.sock.*: open the shop$"):
        async with shop.operator_session():
            raise AssertionError


async def test_app_adds_its_own_checks_to_the_runners() -> None:
    """Health is asked of Redis, the queues, the poller, and what the application names."""
    async with Shop().look() as checks:
        assert [check.name for check in checks] == ["redis", "workers", "poller", "warehouse"]


async def test_app_checks_the_statsd_host_only_if_it_has_one() -> None:
    """`doctor` asks no name server about metrics that go nowhere."""
    shop = Shop()
    assert [check.name for check in shop.checks_beside_redis()] == ["warehouse"]
    shop.statsd = ("127.0.0.1", 8125)
    *_, statsd = shop.checks_beside_redis()

    assert statsd.name == "statsd"
    assert (await statsd.check()).ok


def test_app_expects_the_errors_of_the_runner_and_of_redis() -> None:
    """Their messages are printed without a traceback."""
    assert Shop().expected_errors() == (RunnerError, RedisError)
