"""A temporary redis-server: on loopback, in memory only, killed at the end of a run."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import redis

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OPTIONS = {"save": "", "appendonly": "no", "maxmemory-policy": "noeviction"}
"""Nothing is written to disk, for any of the systems."""

_START_LIMIT_S = 10.0


@dataclass(frozen=True)
class Usage:
    """What Redis has done so far: CPU seconds, and reads from sockets."""

    cpu_s: float
    reads: int

    def __sub__(self, before: Usage) -> Usage:
        return Usage(self.cpu_s - before.cpu_s, self.reads - before.reads)


class RedisServer:
    """A running server, and a client to inspect it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = redis.Redis.from_url(url, socket_timeout=120)

    @property
    def version(self) -> str:
        """Such as 7.0.15."""
        return str(self.info("server")["redis_version"])

    def empty(self) -> None:
        """Delete everything, synchronously, so that it does not disturb the next measurement."""
        self.client.flushall(asynchronous=False)
        self.client.script_flush(sync_type="SYNC")

    def info(self, section: str) -> dict[str, Any]:
        """Return a section of INFO."""
        return cast("dict[str, Any]", self.client.info(section))

    def usage(self) -> Usage:
        """Return the current counters."""
        cpu, stats = self.info("cpu"), self.info("stats")
        return Usage(
            cpu["used_cpu_user"] + cpu["used_cpu_sys"],
            stats.get("total_reads_processed", 0),
        )


@contextlib.contextmanager
def running_redis(directory: Path) -> Iterator[RedisServer]:
    """Start a redis-server in *directory* on a free port, and kill it at the end."""
    executable = shutil.which("redis-server") or shutil.which("valkey-server")
    if executable is None:
        raise SystemExit(
            "make bench needs a redis-server on PATH (Debian: apt install redis-server)"
        )
    port = _free_port()
    options = [word for name, value in OPTIONS.items() for word in (f"--{name}", value)]
    with (directory / "redis.log").open("wb") as log:
        process = subprocess.Popen(
            [executable, "--port", str(port), "--bind", "127.0.0.1", "--dir", directory, *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    server = RedisServer(f"redis://127.0.0.1:{port}")
    try:
        _wait_for(server, process)
        yield server
    finally:
        process.kill()
        process.wait()


def _wait_for(server: RedisServer, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_LIMIT_S
    while True:
        try:
            server.client.ping()
        except redis.ConnectionError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the private redis-server does not start") from None
            time.sleep(0.02)
        else:
            return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
