"""The users of deploy/redis: each can do what it needs and nothing else, on a real Redis."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis as blocking
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError

from runner import Batch, Bury, Context, Flow, JobState, Lane, Periodic, Rate, Unique, connect, job
from runner.admin import Admin
from runner.broker import keys
from runner.broker.scripts import SCRIPTS
from runner.current import use
from runner.errors import JobFailedError
from runner.operations.actions import Operator
from runner.operations.lanes import set_limit
from runner.operations.sessions import revoke, sessions
from runner.web.login import LoginSettings
from settings.groups import QUEUE_NAMES
from tests.redis_server import RedisServerError, find_executable, free_port
from tests.runner_kit import eventually, mortal, soon, stage, working
from tests.visit import PAUSE, SAME, USERS, csrf_of, is_in, log_in, visiting

if TYPE_CHECKING:
    from collections.abc import Iterator


DEPLOY = Path(__file__).parents[2] / "deploy"
_READY_WITHIN_S = 20.0


@dataclass(frozen=True)
class Server:
    """A Redis that was started by start.sh. passwords: by the names of its users."""

    port: int
    passwords: dict[str, str]

    def url(self, user: str) -> str:
        """The address for *user*."""
        return f"redis://{user}:{self.passwords[user]}@127.0.0.1:{self.port}/0"

    def refusals(self) -> list[str]:
        """What Redis has refused so far for want of a right, by user and command or key."""
        with blocking.Redis.from_url(self.url("admin")) as admin:
            log: Any = admin.acl_log()
            return [f"{entry['username']}: {entry['object']}" for entry in log]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start Redis as Compose does, with one more user for the test to look with."""
    folder = tmp_path_factory.mktemp("acl")
    shutil.copytree(DEPLOY / "redis", folder / "redis")
    with (folder / "redis" / "users.acl").open("a") as users:
        users.write("user admin on >admin +@all ~* &*\n")
    made = subprocess.run(["sh", DEPLOY / "make-secrets.sh", folder / "secrets"], check=False)
    assert made.returncode == 0
    passwords = {
        user: (folder / "secrets" / f"redis_{user}_password").read_text()
        for user in ("worker", "pages", "client")
    }
    server = Server(free_port(), {**passwords, "admin": "admin"})
    executable = Path(find_executable())
    version = subprocess.run([executable, "--version"], capture_output=True, text=True, check=True)
    if int(re.findall(r"v=(\d+)", version.stdout)[0]) < 7:
        pytest.skip("this Redis is older than 7, and knows no such rights")
    (folder / "run").mkdir()
    options = ["--port", str(server.port), "--bind", "127.0.0.1", "--dir", str(folder)]
    options += ["--save", ""]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["sh", folder / "redis" / "start.sh", folder / "run", *options],
            env={
                "PATH": f"{executable.parent}{os.pathsep}{os.environ['PATH']}",
                "SECRETS": str(folder / "secrets"),
            },
            stdout=log,
            stderr=log,
        )
    try:
        _wait(server, process, folder / "log")
        yield server
    finally:
        process.kill()
        process.wait()


def _wait(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with blocking.Redis.from_url(server.url("admin")) as admin:
                admin.ping()
                return
        except blocking.ConnectionError:
            time.sleep(0.01)
    raise RedisServerError(log.read_text(errors="replace"))


@pytest.fixture
def acl(server: Server) -> Server:
    """Empty the server, and forget what it has refused."""
    with blocking.Redis.from_url(server.url("admin")) as admin:
        admin.flushall()
        admin.acl_log_reset()
    stage.clear()
    return server


@job(queue="default")
async def quick(ctx: Context, number: int) -> int:  # noqa: ARG001
    """Return the number."""
    return number


@job(queue="default", max_retries=1)
async def fails(ctx: Context, times: int) -> str:
    """Fail so many times."""
    if ctx.attempt <= times:
        raise ConnectionError("away")
    return "done"


@job(queue="default", max_retries=0)
async def buried(ctx: Context) -> None:  # noqa: ARG001
    """End in the dead set."""
    raise Bury("for good")


@job(queue="default")
async def held(ctx: Context) -> str:
    """Wait until the test lets it go on."""
    ctx.progress(1, 2, "steps")
    await stage.hold(ctx.job_id)
    return "went on"


@job(queue="default")
async def unknown(ctx: Context) -> None:
    """Never run: no worker of the test knows it."""


JOBS = (quick, fails, buried, held)


async def test_jobs_pass_through_their_whole_life(acl: Server) -> None:
    """Enqueued by the one user and worked by the other; Redis refuses them nothing on the way."""
    client = connect(acl.url("client"))
    use(client)
    async with Batch("all", complete=quick.call(99), death=quick.call(98)) as batch:
        done = [await quick.enqueue(number) for number in range(50)]
        await quick.enqueue_many([{"number": number} for number in range(50)])
        retried = await fails.enqueue(1)
        dead = await fails.options(job_id="mine").enqueue(5)
        bury = await buried.enqueue()
    flow = Flow("all", complete=quick.call(97))
    flow.add(quick.call(96), after=[flow.add(quick.call(95))])
    run = await flow.start()
    later = await quick.options(delay_s=0.05).enqueue(1)
    again = await quick.options(job_id="mine too").enqueue(2)
    assert await quick.options(job_id="mine too").enqueue(2) is not None
    await unknown.enqueue()
    await client.enqueue_job("quick", 3, _expires=600)
    await client.enqueue_job("quick", 7)
    await client.enqueue_job("quick", 7, _job_id="arq's", _job_try=2)
    lost = await held.options(job_id="lost").enqueue()
    await client.aclose()

    followed = connect(acl.url("worker"))
    use(followed)
    schedule = [Periodic("often", quick, "* * * * * *", {"number": 9})]
    url, polls = acl.url("worker"), {"poll_interval_s": 0.2, "schedule": schedule}
    async with mortal(url, *JOBS, **polls) as one:
        assert await soon(stage.started.next()) == lost.id
        await one.kill()
    stage.go.set()
    async with working(url, *JOBS, **polls):
        for handle in (*done, later, again):
            assert isinstance(await soon(handle.result()), int)
        assert await soon(run.last_result()) == 96
        assert await soon(retried.result()) == "done"
        assert await soon(lost.result()) == "went on"
        for result in (dead.result(), bury.result()):
            with pytest.raises(JobFailedError):
                await soon(result)
        assert await dead.state() is JobState.DEAD
        stage.go.clear()
        aborted = await held.enqueue()
        await soon(stage.started.next())
        await aborted.abort()
        await soon(stage.cancelled.next())

        async def has_polled() -> bool:
            return bool(await followed.exists(keys.ARQ.polls, keys.ARQ.memory, keys.ARQ.ticks) == 3)

        await eventually(has_polled)
        assert (await batch.progress(followed)).dead == 2
    parked = await followed.zcard("arq:queue:default:parked")
    assert parked == 1
    await followed.aclose()
    # Workers only give advice about the server's settings, and take no for an answer.
    assert set(acl.refusals()) <= {"worker: config|get"}


async def test_unique_jobs_need_no_more_rights(acl: Server) -> None:
    """To ask for a key, change the job that has it, wait for it, and have it afterwards."""
    client = connect(acl.url("client"))
    use(client)
    turns = held.options(unique=Unique(on_conflict="reschedule"))
    first, again = await turns.enqueue(), await turns.enqueue()
    assert again.id == first.id
    followed = connect(acl.url("worker"))
    async with working(acl.url("worker"), *JOBS, poll_interval_s=0.2):
        await soon(stage.started.next())
        async with Batch("all"):
            following = [await turns.enqueue() for _ in range(2)]
        stage.go.set()
        use(followed)
        for handle in (first, *following):
            assert await soon(handle.result()) == "went on"
    await client.aclose()
    await followed.aclose()
    assert set(acl.refusals()) <= {"worker: config|get"}


async def test_jobs_of_lanes_need_no_more_rights(acl: Server) -> None:
    """To wait in a lane, to make room in it, to be let in, and to have another limit."""
    client = connect(acl.url("client"))
    use(client)
    turns = quick.options(lane=Lane((), 1))
    later = await quick.options(lane=Lane((), 1), delay_s=3600).enqueue(0)
    handles = await turns.enqueue_many([{"number": number} for number in range(3)])
    await quick.options(lane=Lane((), 2), job_id="mine").enqueue(3)
    # A client lets jobs in, too, where a wider lane was asked for; one of them is to be retried.
    await Admin(followed := connect(acl.url("worker"))).reschedule(
        "default", handles[2].id, timedelta(hours=1)
    )
    await followed.set(f"arq:retry:{handles[2].id}", 1)
    await quick.options(lane=Lane((), 9)).enqueue(4)
    use(followed)
    assert await handles[2].state() is JobState.RETRYING
    await Admin(followed).run_now("default", handles[2].id)
    async with working(acl.url("worker"), *JOBS, poll_interval_s=0.2):
        for handle in handles:
            await soon(handle.result())
        use(client)
        paced = quick.options(lane=Lane((), name="paced", rate=Rate(100, burst=2)))
        handles = await paced.enqueue_many([{"number": number} for number in range(5)])
        use(followed)
        for handle in handles:
            await soon(handle.result())
    pages = connect(acl.url("pages"))
    await set_limit(pages, Operator(pages, "Ada"), "default", "quick", 0)
    assert await later.state() is JobState.WAITING
    for one in (client, followed, pages):
        await one.aclose()
    assert set(acl.refusals()) <= {"worker: config|get"}


async def test_pages_and_operators_do_all_they_may(acl: Server) -> None:
    """Logins, sessions, every page, and actions on jobs and queues."""
    service = connect(acl.url("client"))
    use(service)
    handles = [await quick.options(delay_s=600).enqueue(number) for number in range(5)]
    await service.aclose()
    client = connect(acl.url("pages"))
    async with visiting(client, LoginSettings(users=USERS)) as browser:
        assert (await log_in(browser, "ada", "wrong")).status_code == 401
        await log_in(browser)
        pages = ["/", "/queues", "/queues/default", "/jobs", "/workers"]
        pages += [
            "/jobs?state=retrying",
            "/jobs?state=dead",
            "/metrics/jobs",
            "/schedules",
            "/sessions",
            "/audit",
        ]
        pages += ["/metrics", "/api/queues", "/api/redis", f"/jobs?id={handles[0].id}"]
        for path in pages:
            answer = await browser.get(path, follow_redirects=True)
            assert answer.status_code == 200, (path, answer.text)
        form = {"csrf": csrf_of(await browser.get("/queues"))}
        assert (await browser.post(PAUSE, data=form, headers=SAME)).status_code == 303
        operator = Operator(client, "tester")
        await operator.resume("default")
        orders = Admin(client)
        await orders.run_now("default", handles[0].id)
        await orders.bury("default", handles[1].id)
        await orders.delete("default", handles[2].id)
        await orders.move("default", handles[3].id, "analytics")
        await orders.abort("default", handles[4].id)
        assert [one async for one in orders.dead_jobs("default")]
        await revoke(client, operator, await sessions(client))
        assert not await is_in(browser)
    await client.aclose()
    assert set(acl.refusals()) <= {"pages: config|get"}


REFUSED = re.compile(
    r"can't (?:run this command|access at least one of the keys)|ACL failure in script"
)
"""How Redis refuses a script what its caller may not do."""

FOR_NOBODY = [
    "FLUSHALL",
    "FLUSHDB",
    "SHUTDOWN NOSAVE",
    "CONFIG GET *",
    "CONFIG SET dir /tmp",
    "ACL LIST",
    "ACL SETUSER me on nopass +@all",
    "MONITOR",
    "KEYS *",
    "SAVE",
    "REPLICAOF 127.0.0.1 1",
    "MODULE LIST",
    "MIGRATE 127.0.0.1 1 k 0 1",
    "CLIENT KILL ID 1",
    "CLIENT LIST",
    "FUNCTION FLUSH",
    "SCRIPT FLUSH",
    "SWAPDB 0 1",
    "SET somebody_elses x",
    "GET somebody_elses",
    "PUBLISH channel x",
    "SUBSCRIBE channel",
    "EVAL return(redis.call('FLUSHALL')) 0",
    "EVAL return(redis.call('GET','somebody_elses')) 0",
]
FOR_OPERATORS = [
    "GET arq:session:x",
    "SET arq:session:x {}",
    "ZADD arq:sessions 1 x",
    "ZRANGE arq:sessions 0 -1",
    "DEL arq:guesses:address:x",
    "XADD arq:audit * who me",
    "XRANGE arq:audit - +",
    "HDEL arq:schedule-paused x",
    "HSET arq:schedule-paused x {}",
    "EVAL return(redis.call('GET','arq:session:x')) 0",
]
FOR_WORKERS = [
    "DEL arq:job:x",
    "GETDEL arq:job:x",
    "EXPIRE arq:job:x 1",
    "RENAME arq:job:x arq:job:y",
    "ZREM arq:queue:default x",
    "ZPOPMIN arq:queue:default",
    "DEL arq:queue:default",
    "ZADD arq:queue:payroll 1 x",
    "ZADD arq:queue:default:dead 1 x",
    "ZRANGE arq:queue:default:dead 0 -1",
    "HSET arq:queue:default:running x y",
    "HSET arq:queue:default:died x y",
    "SET arq:queue:default:paused {}",
    "DEL arq:queue:default:paused",
    "BLPOP arq:queue:default:wake 1",
    "SET arq:result:x {}",
    "SET arq:in-progress:x y",
    "DEL arq:in-progress:x",
    "SET arq:order:x stop",
    "ZADD arq:abort 1 x",
    "RPUSH arq:history:x {}",
    "LRANGE arq:history:x 0 -1",
    "GET arq:worker:x",
    "HSET arq:ticks x 1",
    "DEL arq:batch:x",
    "SCAN 0",
    "INFO",
    "EVAL return(redis.call('DEL','arq:job:x')) 0",
    "EVAL return(redis.call('ZREM',KEYS[1],'x')) 1 arq:queue:default",
]


@pytest.mark.parametrize(
    ("user", "commands"),
    [
        ("worker", FOR_NOBODY + FOR_OPERATORS),
        ("pages", FOR_NOBODY),
        ("client", FOR_NOBODY + FOR_OPERATORS + FOR_WORKERS),
    ],
)
def test_user_is_refused_what_it_does_not_need(acl: Server, user: str, commands: list[str]) -> None:
    """Whether it is sent as a command or from a script."""
    wrong = []
    for command in commands:
        with blocking.Redis.from_url(acl.url(user), socket_timeout=5) as client:
            try:
                wrong.append((command, client.execute_command(*command.split())))
            except NoPermissionError:
                pass
            except ResponseError as error:
                if not REFUSED.search(str(error)):
                    wrong.append((command, str(error)))
    assert wrong == []


async def test_client_cannot_operate(acl: Server) -> None:
    """The scripts of operators and workers are refused, too."""
    client = connect(acl.url("client"))
    use(client)
    handle = await quick.options(delay_s=600).enqueue(1)
    orders = Admin(client)
    for order in (
        partial(orders.delete, "default", handle.id),
        partial(orders.bury, "default", handle.id),
        partial(orders.move, "default", handle.id, "analytics"),
        partial(orders.run_now, "default", handle.id),
        handle.abort,
    ):
        with pytest.raises(ResponseError, match=REFUSED):
            await order()
    with pytest.raises(NoPermissionError):
        await orders.pause("default")
    await client.aclose()
    with blocking.Redis.from_url(acl.url("admin")) as admin:
        assert admin.zcard("arq:queue:default") == 1
        assert admin.exists(f"arq:job:{handle.id}") == 1


def test_nobody_gets_in_without_a_password(acl: Server) -> None:
    """Neither as `default`, nor with another's password; start.sh keeps none in clear text."""
    for url in (
        f"redis://127.0.0.1:{acl.port}/0",
        f"redis://default:{acl.passwords['pages']}@127.0.0.1:{acl.port}/0",
        f"redis://pages:{acl.passwords['worker']}@127.0.0.1:{acl.port}/0",
        f"redis://pages:x@127.0.0.1:{acl.port}/0",
    ):
        with blocking.Redis.from_url(url) as client, pytest.raises(AuthenticationError):
            client.ping()


def test_file_of_users_has_every_queue_key_and_command() -> None:
    """A new one fails here until it is decided who may use it."""
    text = (DEPLOY / "redis" / "users.acl").read_text(encoding="utf-8")
    users = dict(re.findall(r"^user (\w+)(.*?)(?=^user |\Z)", text, re.MULTILINE | re.DOTALL))
    for queue in QUEUE_NAMES:
        assert f"~arq:queue:{queue}" in users["client"].split()
    table = re.findall(r"^\| `(arq:[^`<]*)", keys.__doc__ or "", re.MULTILINE)
    patterns = re.findall(r"~(\S+)", users["worker"])
    of_operators = {"arq:session:", "arq:sessions", "arq:guesses:", "arq:audit"}
    granted = {
        key
        for key in table
        if any(key == one or (one.endswith("*") and key.startswith(one[:-1])) for one in patterns)
    }
    assert set(table) - granted == of_operators
    called = {
        command.lower()
        for name, script in SCRIPTS.items()
        if name != "guess"  # of the pages
        for command in re.findall(r"\bp?call\('(\w+)'", script.text())
    }
    assert called - set(re.findall(r"\+(\w+)", users["worker"])) == set()
