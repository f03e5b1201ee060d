"""A promoted replica: no job is lost beyond Redis's own guarantees, and workers find it."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis

from runner import Context, Fleet, WorkerSettings, connect, job
from runner.current import use
from tests.redis_server import find_executable
from tests.runner_kit import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICE = "jobs"
HOST = "127.0.0.1"


@dataclass
class _Server:
    """One redis-server, as a data node or, with `--sentinel`, as a sentinel."""

    process: subprocess.Popen[bytes]
    port: int


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [probe.getsockname()[1] for probe in probes]


@contextmanager
def _sentinel_cluster() -> Iterator[tuple[str, list[_Server]]]:
    """Run three data nodes, the first the master, and three sentinels; yield URL and data nodes."""
    folder = Path(tempfile.mkdtemp(prefix="pipeline-sentinel-"))
    ports = _free_ports(6)
    nodes, sentinels = ports[:3], ports[3:]
    started: list[_Server] = []
    try:
        for port in nodes:
            replica = [] if port == nodes[0] else ["--replicaof", HOST, str(nodes[0])]
            started.append(_start(folder, port, ["--repl-diskless-sync-delay", "0", *replica]))
        for port in sentinels:
            (folder / f"sentinel-{port}.conf").write_text(
                f"port {port}\nbind {HOST}\ndir {folder}\n"
                f"sentinel monitor {SERVICE} {HOST} {nodes[0]} 2\n"
                f"sentinel down-after-milliseconds {SERVICE} 700\n"
                f"sentinel failover-timeout {SERVICE} 3000\n"
            )
            started.append(_start(folder, port, None))
        _wait_until_watched(nodes[0], sentinels)
        addresses = ",".join(f"{HOST}:{port}" for port in sentinels)
        yield f"redis+sentinel://{addresses}/{SERVICE}/0", started[:3]
    finally:
        for server in started:
            server.process.kill()
            server.process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path, port: int, options: list[str] | None) -> _Server:
    if options is None:
        command = [find_executable(), str(folder / f"sentinel-{port}.conf"), "--sentinel"]
    else:
        command = [find_executable(), "--bind", HOST, "--port", str(port), "--save", "", *options]
    with (folder / f"{port}.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    return _Server(process, port)


def _wait_until_watched(master: int, sentinels: list[int]) -> None:
    """Wait until each sentinel knows the master, its two replicas and the other sentinels."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if _replicas(master) == 2 and all(_sees_all(port) for port in sentinels):
                return
        except redis.RedisError:
            pass
        time.sleep(0.05)
    pytest.fail("the sentinels did not find each other")


def _replicas(port: int) -> int:
    with redis.Redis(HOST, port) as master:
        info: Any = master.info("replication")
        return int(info["connected_slaves"])


def _sees_all(port: int) -> bool:
    with redis.Redis(HOST, port) as sentinel:
        state: Any = sentinel.sentinel_master(SERVICE)
        return bool(state["num-slaves"] == 2 and state["num-other-sentinels"] == 2)


@job(queue="sentinel")
async def note(_: Context, number: int) -> int:
    """Return the number."""
    return number


@pytest.mark.timeout(240)
async def test_worker_goes_on_after_the_promotion_of_a_replica() -> None:
    """The master dies; jobs enqueued before and after run on the promoted replica."""
    with _sentinel_cluster() as (url, nodes):
        master = await asyncio.to_thread(redis.Redis, HOST, nodes[0].port)

        class SentinelWorker(WorkerSettings):
            queue = "sentinel"
            jobs = (note,)
            redis = url
            lease_s = 2.0
            heartbeat_s = 0.3

        client = connect(url)
        use(client)
        try:
            async with Fleet([SentinelWorker.worker()]).running() as fleet:
                await fleet.ready()
                before = await note.enqueue(number=1)
                assert await before.result(timeout_s=PATIENCE_S) == 1
                waiting = await note.options(delay_s=4).enqueue(number=2)
                # The master's own word that both replicas have it: Redis promises no more.
                assert await asyncio.to_thread(master.wait, 2, 5000) == 2

                nodes[0].process.send_signal(signal.SIGKILL)

                assert await waiting.result(timeout_s=40) == 2
                after = await note.enqueue(number=3)
                assert await after.result(timeout_s=PATIENCE_S) == 3
        finally:
            master.close()
            await client.aclose()
