"""arq's own command: it runs our worker, for our settings classes and for arq's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.runner_kit import PATIENCE_S

if TYPE_CHECKING:
    from runner import QueueClient

OURS = """
from runner import Context, WorkerSettings, job


@job(queue="migration")
async def double(ctx: Context, number: int) -> int:
    return number * 2


class Base(WorkerSettings):
    redis = {url!r}
    heartbeat_s = 0.5


class Settings(Base):
    queue = "migration"
    jobs = (double,)
"""

PLAIN = """
from runner.on_arq.command import run_our_worker
from runner.broker.location import location

run_our_worker()


async def double(ctx, number):
    return f"{{type(ctx['worker']).__module__}} {{number * 2}}"


class Settings:
    functions = [double]
    queue_name = "arq:queue:migration"
    redis_settings = location({url!r})
    handle_signals = False
"""


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest, redis_url: str) -> Path:
    """Return a folder with `moved.py`, a settings module."""
    (tmp_path / "moved.py").write_text(request.param.format(url=redis_url), encoding="utf-8")
    return tmp_path


def _arq(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("arq")), "moved.Settings", *options]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=3 * PATIENCE_S
    )


@pytest.mark.parametrize(
    ("folder", "expected"),
    [(OURS, 8), (PLAIN, "runner.on_arq.command_worker 8")],
    indirect=["folder"],
)
async def test_arq_command_runs_our_worker(
    folder: Path, expected: object, redis: QueueClient
) -> None:
    """A settings class inherits from ours, or is arq's and names our worker: jobs run on ours."""
    handle = await redis.enqueue_job("double", 4, _queue_name="arq:queue:migration")
    assert handle is not None

    ran = _arq(folder, "--burst")

    assert ran.returncode == 0, ran.stderr
    assert await handle.result(timeout=PATIENCE_S) == expected
    assert await redis.zcard("arq:queue:migration") == 0


@pytest.mark.parametrize("folder", [OURS], indirect=True)
async def test_arq_check_asks_for_the_right_key(folder: Path, redis: QueueClient) -> None:
    """`arq --check` fails without a worker, and passes with the key that our workers write."""
    assert _arq(folder, "--check").returncode == 1

    await redis.set("arq:queue:migration:health-check", b"Nov-23 22:33:54 j_complete=1")
    checked = _arq(folder, "--check")

    assert checked.returncode == 0, checked.stderr
    assert "Health check successful: b'Nov-23 22:33:54 j_complete=1'" in checked.stderr
