"""`Secret` arguments are sealed in Redis, opened for the coroutine, and shown nowhere."""

from __future__ import annotations

import base64
import copy
import json
import logging
import pickle
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from pydantic import BaseModel, SecretStr

from runner import Context, JobHandle, Periodic, Secret, job
from runner.admin import Admin
from runner.commands.doctor_secrets import secret_concerns
from runner.errors import ArgumentsError, ConfigurationError, JobFailedError, RunnerError
from runner.operations.catalog import Catalog
from runner.operations.job import job as job_view
from runner.sealing import KeyRing, use_keys
from runner.testing import collect, inline
from tests.runner_kit import dead_ids, eventually, history, result_of, stage, working

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner import QueueClient

CANARY = "c4n4ry-" + "".join(reversed("eulav-delaes-eht"))
OLD, NEW = (base64.b64encode(bytes([number]) * 32).decode() for number in range(2))

pytestmark = pytest.mark.usefixtures("redis")


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SECRET_KEYS", NEW)
    yield
    use_keys(None)


class Login(BaseModel):
    """Credentials as a model."""

    user: str
    password: Secret[str]


@dataclass
class Account:
    """Credentials as a dataclass."""

    codes: list[Secret[int]]


@job(queue="default", max_retries=0)
async def sign_in(
    ctx: Context, key: Secret[str], login: Login, account: Account, more: dict[str, Secret[bytes]]
) -> str:
    """Log what it may not, and say what it got."""
    value = key.get_secret_value()
    structlog.get_logger("jobs").info(f"with {value}", key=key, value=value, login=login)
    logging.getLogger("jobs").warning("with %s of %r", value, login)
    ctx.progress(1, 2, value)
    if login.user == "nobody":
        raise PermissionError(f"{value} is wrong for {login!r}: {[value]}")
    codes = [code.get_secret_value() for code in account.codes]
    assert login.password.get_secret_value() == value
    return f"{len(value)} {sum(codes)} {more['a'].get_secret_value()!r}"


def _arguments(user: str = "me") -> dict[str, Any]:
    return {
        "key": Secret(CANARY),
        "login": Login(user=user, password=Secret(CANARY)),
        "account": Account([Secret(123456), Secret(654321)]),
        "more": {"a": Secret(b"\xc3\xa4")},
    }


async def _all_of(redis: QueueClient) -> str:
    """Everything that Redis holds, as text."""
    return "".join([repr((key, await redis.dump(key))) async for key in redis.scan_iter()])


async def test_sealed_argument_arrives_and_is_nowhere_in_between(
    redis: QueueClient, redis_url: str
) -> None:
    """At any depth and of any type; Redis never holds it."""
    handle = await sign_in.enqueue(**_arguments())
    before = await _all_of(redis)
    async with working(redis_url, sign_in):
        assert await handle.result(timeout_s=10) == f"{len(CANARY)} 777777 {chr(228).encode()!r}"
    assert "$sealed" in before
    for found in (before, await _all_of(redis)):
        assert CANARY not in found
        assert "123456" not in found


async def test_failing_job_shows_no_sealed_value(
    redis: QueueClient, redis_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not in its history, its result, the page, or any line of the log."""
    structlog.reset_defaults()
    handle = await sign_in.enqueue(**_arguments("nobody"))
    async with working(redis_url, sign_in):
        with pytest.raises(JobFailedError) as failed:
            await handle.result(timeout_s=10)
    view = await job_view(redis, "default", handle.id, Catalog.of([sign_in]))
    out, err = capfd.readouterr()
    shown = {
        "error": repr(failed.value) + failed.value.traceback,
        "history": repr(await history(redis, handle.id)),
        "result": repr(await result_of(redis, handle.id)),
        "page": repr(view),
        "log": out + err,
        "redis": await _all_of(redis),
    }
    assert "is wrong for" in shown["history"]
    assert view is not None
    assert view.arguments["key"] == "[redacted]"
    assert view.arguments["login"] == {"user": "nobody", "password": "[redacted]"}
    for sink, text in shown.items():
        assert CANARY not in text, sink


async def test_sealed_value_opens_in_no_other_job(redis: QueueClient, redis_url: str) -> None:
    """Moved to another job, or another parameter, or changed, it does not open."""
    first = await sign_in.enqueue(**_arguments())
    second = await sign_in.enqueue(**_arguments())
    stolen = json.loads(await redis.get(f"arq:job:{first.id}"))
    await redis.set(f"arq:job:{second.id}", json.dumps(stolen))
    third = await sign_in.enqueue(**_arguments())
    swapped = json.loads(await redis.get(f"arq:job:{third.id}"))
    swapped["k"]["key"], swapped["k"]["login"]["password"] = (
        swapped["k"]["login"]["password"],
        swapped["k"]["key"],
    )
    await redis.set(f"arq:job:{third.id}", json.dumps(swapped))
    fourth = await sign_in.enqueue(**_arguments())
    changed = json.loads(await redis.get(f"arq:job:{fourth.id}"))
    changed["k"]["key"]["$sealed"] = changed["k"]["key"]["$sealed"][:-8] + "AAAAAAA="
    await redis.set(f"arq:job:{fourth.id}", json.dumps(changed))
    async with working(redis_url, sign_in):
        await first.result(timeout_s=10)
        for handle in (second, third, fourth):
            with pytest.raises(JobFailedError, match="does not open"):
                await handle.result(timeout_s=10)


async def test_old_keys_open_what_they_sealed(
    redis: QueueClient, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first key seals, all open; without its key a job fails, and may be retried with it."""
    monkeypatch.setenv("SECRET_KEYS", OLD)
    handle = await sign_in.enqueue(**_arguments())
    lost = await sign_in.enqueue(**_arguments())
    monkeypatch.setenv("SECRET_KEYS", f"{NEW}, {OLD}")
    await redis.zadd("arq:queue:default", {lost.id: 10**15})
    async with working(redis_url, sign_in):
        await handle.result(timeout_s=10)
    monkeypatch.setenv("SECRET_KEYS", NEW)
    await redis.zadd("arq:queue:default", {lost.id: 1})
    async with working(redis_url, sign_in):
        with pytest.raises(JobFailedError, match="not in SECRET_KEYS"):
            await lost.result(timeout_s=10)
    assert OLD not in await _all_of(redis)


async def test_dead_job_with_an_id_of_its_own_opens_again(
    redis: QueueClient, redis_url: str
) -> None:
    """It goes on as `<id>~<ms>`, and opens when it is run from there."""
    async with working(redis_url, sign_in):
        for _ in range(2):
            await sign_in.options(job_id="a~1").enqueue(**_arguments("nobody"))
            await eventually(lambda: _are_dead(redis, {"is wrong for"}))
            [dead] = await dead_ids(redis, "default")
            assert dead.startswith("a~1~")
            await redis.set("arq:job:a~1", b"{}")  # its own id is taken: it keeps this one
            await Admin(redis).run_now("default", dead)
            await eventually(lambda: _are_dead(redis, {"is wrong for"}, failures=2))
            await redis.delete("arq:job:a~1")
            await Admin(redis).delete("default", dead)


async def _are_dead(redis: QueueClient, reasons: set[str], failures: int = 1) -> bool:
    entries = [
        entry for dead in await dead_ids(redis, "default") for entry in await history(redis, dead)
    ]
    return len(entries) == failures and all(
        any(reason in entry["message"] for reason in reasons) for entry in entries
    )


async def test_plain_value_of_another_program_is_taken(redis: QueueClient, redis_url: str) -> None:
    """A body from before the parameter was secret runs, too."""

    @job(queue="default", max_retries=0)
    async def plain(ctx: Context, key: Secret[str]) -> int:
        assert ctx.job_id
        return len(key.get_secret_value())

    assert await redis.enqueue_job("plain", key="abc", _job_id="p") is not None
    async with working(redis_url, plain):
        assert await JobHandle[int]("p", "default").result(timeout_s=10) == 3


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        (None, "set SECRET_KEYS"),
        ("abc", "key 1 is none"),
        (f"{NEW} {CANARY}", "key 2 is none"),
        (base64.b64encode(b"x" * 31).decode(), "key 1 is none"),
    ],
)
async def test_wrong_keys_are_one_line_that_does_not_quote_them(
    monkeypatch: pytest.MonkeyPatch, redis_url: str, keys: str | None, problem: str
) -> None:
    """For who enqueues, and for the worker as it starts."""
    monkeypatch.delenv("SECRET_KEYS")
    if keys is not None:
        monkeypatch.setenv("SECRET_KEYS", keys)
    with pytest.raises(ConfigurationError, match=problem) as refused:
        await sign_in.enqueue(**_arguments())
    assert keys is None or keys not in str(refused.value)
    with pytest.raises(ConfigurationError, match=problem):
        async with working(redis_url, sign_in):
            pass


async def test_without_cryptography_a_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is an extra: who seals nothing needs it not."""
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'channel-pipeline\[secrets\]'"):
        KeyRing([NEW])


def test_secret_shows_itself_nowhere() -> None:
    """Neither as text, nor in a copy, a pickle, a model or JSON."""
    secret = Secret(CANARY)
    login = Login(user="me", password=secret)
    shown = [repr(secret), str(secret), f"{secret}", f"{secret!r:>30}", repr(login), str([secret])]
    assert CANARY not in "".join(shown)
    assert copy.deepcopy(login) == login
    assert secret == Secret(CANARY) != Secret(CANARY.encode())
    assert {secret: 1}[Secret(CANARY)] == 1
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(login)
    with pytest.raises(Exception, match="only as a job's argument") as refused:
        login.model_dump_json()
    assert CANARY not in str(refused.value)


async def test_what_is_no_secret_is_refused_where_one_is_due() -> None:
    """A type checker says so, and so does `enqueue`, without the value."""
    with pytest.raises(ArgumentsError, match="give a Secret") as refused:
        await sign_in.enqueue(**(_arguments() | {"key": CANARY}))
    assert CANARY not in str(refused.value)
    with pytest.raises(ArgumentsError) as refused:
        await sign_in.enqueue(**(_arguments() | {"key": Secret(b"\xff")}))
    assert "xff" not in str(refused.value)


async def test_secret_where_none_is_due_is_refused(redis: QueueClient) -> None:
    """It is never written in plain text: not as `Any`, not in a result, not for stock arq."""

    @job(queue="default")
    async def anything(ctx: Context, what: Any) -> None:
        raise NotImplementedError(ctx, what)

    for refusing in (
        anything.enqueue(what=Secret(CANARY)),
        anything.enqueue(what={"a": [Secret(CANARY)]}),
        redis.enqueue_job("anything", Secret(CANARY)),
    ):
        with pytest.raises(RunnerError) as refused:
            await refusing
        assert CANARY not in str(refused.value)
    assert CANARY not in await _all_of(redis)
    with pytest.raises(ConfigurationError, match="sealed as an argument only"):

        @job(queue="default")
        async def returns(ctx: Context) -> list[Secret[str]]:
            raise NotImplementedError(ctx)

    with pytest.raises(ConfigurationError, match=r"use runner\.Secret"):

        @job(queue="default")
        async def takes(ctx: Context, key: SecretStr) -> None:
            raise NotImplementedError(ctx, key)


async def test_periodic_job_seals_for_each_tick(redis: QueueClient, redis_url: str) -> None:
    """The arguments of a schedule are sealed as its jobs are enqueued."""

    @job(queue="default")
    async def tick(ctx: Context, key: Secret[str]) -> None:
        stage.started.put(f"{ctx.job_id} {len(key.get_secret_value())}")

    every = Periodic("every", tick, "* * * * * *", kwargs={"key": Secret(CANARY)})
    async with working(redis_url, tick, schedule=(every,), poll_interval_s=0.1):
        assert str(await stage.started.next()).endswith(f" {len(CANARY)}")
    assert CANARY not in await _all_of(redis)


async def test_doctor_says_which_keys_are_needed(
    redis: QueueClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old key is needed while a job is sealed by it; a missing one is a warning."""
    assert await secret_concerns(redis) == []
    monkeypatch.setenv("SECRET_KEYS", OLD)
    handle = await sign_in.enqueue(**_arguments())
    monkeypatch.setenv("SECRET_KEYS", f"{NEW},{OLD}")
    [(needed, remedy)] = await secret_concerns(redis)
    assert ("1 job needing" in needed, remedy) == (True, "")
    monkeypatch.setenv("SECRET_KEYS", NEW)
    [(missing, _)] = await secret_concerns(redis)
    assert "which is missing" in missing
    await redis.delete(f"arq:job:{handle.id}")
    monkeypatch.setenv("SECRET_KEYS", f"{NEW},{OLD}")
    [(idle, remedy)] = await secret_concerns(redis)
    assert ("no job needs it" in idle, remedy) == (True, "Take it away.")


async def test_tests_need_neither_redis_nor_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """`inline` and `collect` seal by a key of their own, and show what a job gets."""
    monkeypatch.delenv("SECRET_KEYS")
    with collect() as jobs:
        await sign_in.enqueue(**_arguments())
    assert jobs.of(sign_in)[0].kwargs["key"] == Secret(CANARY)
    async with inline():
        await sign_in.enqueue(**_arguments())
