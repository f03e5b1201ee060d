"""Workers as users start them: by `arq`, by `pipeline worker`, by `pipeline up`."""

from __future__ import annotations

import json
import re
import signal
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import psutil
import pytest

from jobs import run_analytics, sync_channel
from jobs.channel.records import ChannelRecord, Platform, SourceRef
from runner.processes.private_redis import PrivateRedis
from settings import app
from tests.runner_kit import PATIENCE_S

if TYPE_CHECKING:
    from runner import QueueClient
    from tests.pipeline_command import Commands, Running
    from tests.redis_server import RedisServer

pytestmark = pytest.mark.timeout(180)

FAST = {"SCHEDULED_POLL_INTERVAL_S": "1", "RUNNER__HEARTBEAT_S": "1", "LOG_FORMAT": "json"}


async def _register(commands: Commands) -> None:
    from jobs.store import migrate, open_store

    state = commands.folder / ".pipeline"
    state.mkdir(exist_ok=True)
    url = f"sqlite:///{state}/pipeline.db"
    await migrate(url)
    async with open_store(url) as store:
        record = ChannelRecord("sample:video", "Sample", Platform.YOUTUBE, generated=True)
        await store.channels.register(record, [SourceRef("samples", "samples:video")])


async def test_arq_burst_drains_the_queue(
    commands: Commands, redis: QueueClient, redis_url: str
) -> None:
    """`arq settings.AnalyticsWorker --burst` runs our worker, and what it enqueued, then ends."""
    await _register(commands)
    handle = await run_analytics.enqueue(channel_id="sample:video")

    ended = commands.run("arq", "settings.AnalyticsWorker", "--burst", REDIS_URL=redis_url, **FAST)

    assert ended.status == 0, ended.err
    result = await handle.result(timeout_s=PATIENCE_S)
    assert isinstance(result, str)
    lines = [json.loads(line) for line in ended.err.splitlines()]
    done = {line["job_name"] for line in lines if line["event"] == "job done"}
    assert done >= {"run_analytics", "analyze_channel", "visualize_data"}
    # Nothing was read of the channel yet, so there is nothing to recommend, only to report.
    assert await redis.zcard("arq:queue:recommendations") == 0
    # Where a minute began meanwhile, a tick of the schedule waits beside it: `name:time`.
    ticks = tuple(f"{one.name}:".encode() for one in app.schedule)
    waiting = await redis.zrange("arq:queue:default", 0, -1)
    assert len([one for one in waiting if not one.startswith(ticks)]) == 1


def test_arq_starts_the_private_redis_and_stops_it(commands: Commands) -> None:
    """With no `REDIS_URL` the arq command works on the private Redis, and leaves none behind."""
    ended = commands.run("arq", "settings.AnalyticsWorker", "--burst", **FAST)

    assert ended.status == 0, ended.err
    assert "Traceback" not in ended.err
    private = PrivateRedis(commands.folder / ".pipeline")
    assert private.directory.is_dir()
    assert not private.socket_path.exists()


def test_arq_check_knows_whether_a_worker_lives(commands: Commands, redis_url: str) -> None:
    """The exit status of `arq --check` says it."""
    where = {"REDIS_URL": redis_url, **FAST}
    assert commands.run("arq", "settings.DefaultWorker", "--check", **where).status == 1

    with commands.running("arq", "settings.DefaultWorker", **where) as worker:
        worker.until("worker started")
        assert commands.run("arq", "settings.DefaultWorker", "--check", **where).status == 0
        assert commands.run("arq", "settings.NotificationsWorker", "--check", **where).status == 1
        assert worker.end(signal.SIGTERM).status == 0


def test_arq_watch_restarts_the_worker(commands: Commands, redis_url: str) -> None:
    """`arq --watch DIR` reloads when a file changes."""
    watched = commands.folder / "code"
    watched.mkdir()
    words = ("arq", "settings.NotificationsWorker", "--watch", str(watched))

    with commands.running(*words, REDIS_URL=redis_url, **FAST) as worker:
        worker.until("worker started")
        time.sleep(1)  # the watch begins after the worker
        (watched / "jobs.py").write_text("changed = True\n")
        worker.until("worker stopped")
        _until_count(worker, "worker started", 2)
        worker.end(signal.SIGINT)
    assert "Traceback" not in worker.err


def test_arq_needs_no_redis_of_the_users(commands: Commands) -> None:
    """Without `REDIS_URL`, arq's command starts the private Redis, too, and stops it again."""
    ended = commands.run("arq", "settings.NotificationsWorker", "--burst", **FAST)

    assert ended.status == 0, ended.err
    directory = commands.folder / ".pipeline" / "redis"
    assert directory.is_dir()
    assert not (directory / "redis.sock").exists()


async def test_worker_works_the_queues_it_is_given(
    commands: Commands, redis: QueueClient, redis_url: str
) -> None:
    """`pipeline worker default` syncs; the jobs it enqueues for analytics stay there."""
    await _register(commands)
    handle = await sync_channel.enqueue(channel_id="sample:video")

    with commands.running("pipeline", "worker", "default", REDIS_URL=redis_url, **FAST) as worker:
        worker.until("Ctrl-C stops it.")
        counts = await handle.result(timeout_s=PATIENCE_S)
        ended = worker.end(signal.SIGTERM)

    assert counts["items_new"] > 0
    assert ended.status == 0
    assert await redis.zcard("arq:queue:analytics") == 1
    for line in ended.err.splitlines():
        assert json.loads(line)["timestamp"]


async def test_worker_processes_share_the_work_and_stop(
    commands: Commands, redis: QueueClient, redis_url: str
) -> None:
    """`--processes 2` keeps two worker processes, which Ctrl-C stops with grace."""
    words = ("pipeline", "worker", "notifications", "--processes", "2")

    with commands.running(*words, REDIS_URL=redis_url, **FAST) as worker:
        _until_count(worker, "worker started", 2)
        assert await redis.zcard("arq:queue:notifications:workers") == 2
        ended = worker.end(signal.SIGINT)

    assert ended.status == 0
    assert ended.out.count("Ctrl-C stops it.") == 1
    assert await redis.zcard("arq:queue:notifications:workers") == 0


def test_up_serves_the_true_health(commands: Commands, own_redis_server: RedisServer) -> None:
    """Healthy: 200 with every check. Redis away: 503 with the reason, but alive. Back: 200."""
    words = ("pipeline", "up", "--health-port", "0")
    with commands.running(*words, REDIS_URL=own_redis_server.url, **FAST) as up:
        output = up.until("Ctrl-C stops it.")
        base = next(line.split()[1] for line in output.splitlines() if "Health" in line)
        base = base.removesuffix("/healthz")
        assert own_redis_server.url in output

        document = json.loads(_until_status(base + "/healthz", 200))
        assert document["ok"]
        assert set(document["checks"]) == {"redis", "workers", "poller", "database"}
        assert "notifications 1" in document["checks"]["workers"]["reason"]
        checked = commands.run("pipeline", "health", REDIS_URL=own_redis_server.url, **FAST)
        assert checked.status == 0, checked.out

        own_redis_server.stop()
        assert "failed redis: does not answer" in _until_status(base + "/readyz", 503)
        assert _get(base + "/livez")[0] == 200

        own_redis_server.start()
        assert "ok redis" in _until_status(base + "/readyz", 200)
        ended = up.end(signal.SIGINT)

    assert ended.status == 0, ended.err
    assert "Traceback" not in ended.err


def test_health_without_workers_names_what_is_missing(commands: Commands, redis_url: str) -> None:
    """`pipeline health` exits 1 with a reason for each check, and creates nothing."""
    ended = commands.run("pipeline", "health", REDIS_URL=redis_url)

    assert ended.status == 1
    assert re.search(r"^ok +redis ", ended.out, re.MULTILINE)
    assert "no live worker for default, analytics, recommendations, notifications" in ended.out
    assert re.search(r"^failed +database ", ended.out, re.MULTILINE)
    assert not (commands.folder / ".pipeline").exists()


def _until_count(running: Running, text: str, count: int, limit_s: float = 40.0) -> None:
    deadline = time.monotonic() + limit_s
    while (running.out + running.err).count(text) < count:
        assert time.monotonic() < deadline, running.out + running.err
        time.sleep(0.05)


def _until_status(url: str, status: int, limit_s: float = 30.0) -> str:
    deadline = time.monotonic() + limit_s
    while True:
        found, body = _get(url)
        if found == status:
            return body
        assert time.monotonic() < deadline, f"{found}: {body}"
        time.sleep(0.1)


def _get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 -- our own address
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_worker_that_waits_for_redis_to_answer_is_stopped_at_once(
    commands: Commands, own_redis_server: RedisServer, number: signal.Signals
) -> None:
    """A signal while the command still opens what it needs ends it in order."""
    own_redis_server.pause()
    try:
        with commands.running(
            "pipeline", "worker", "default", REDIS_URL=own_redis_server.url, **FAST
        ) as running:
            _until_it_has_a_child(running)
            ended = running.end(number, limit_s=20.0)
    finally:
        own_redis_server.resume()
    assert (ended.status, ended.messages) == (0, ["pipeline: stopped while it started"])


def _until_it_has_a_child(running: Running) -> None:
    """Wait for the guard, with which a worker begins."""
    deadline = time.monotonic() + 40.0
    while not psutil.Process(running.process.pid).children():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_up_starts_its_private_redis_again(commands: Commands) -> None:
    """It goes on, and stops in order."""
    with commands.running("pipeline", "up", "--health-port", "0", "--web-port", "0", **FAST) as up:
        up.until("Working")
        pid = int((commands.folder / ".pipeline" / "redis" / "redis.pid").read_text())
        psutil.Process(pid).kill()
        up.until("redis-server runs again")
        up.until("Redis is back")
        ended = up.end()
    assert ended.status == 0, ended.err


def test_up_whose_state_is_deleted_ends_with_one_line(commands: Commands) -> None:
    """Exit status 1: what was queued is gone."""
    with commands.running("pipeline", "up", "--health-port", "0", "--web-port", "0", **FAST) as up:
        up.until("Working")
        # In one step, since the Redis that is stopped meanwhile removes its own socket.
        (commands.folder / ".pipeline" / "redis").rename(commands.folder / "deleted")
        ended = up.ended()
    assert ended.status == 1, ended.err
    [message] = ended.messages
    assert "were deleted while the private Redis ran" in message
