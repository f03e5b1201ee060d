"""Sessions of the pages, kept in Redis: they end everywhere at once, and nobody forges one."""

from __future__ import annotations

import dataclasses
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from runner.broker import keys
from runner.operations.actions import Operator
from runner.operations.sessions import SessionRecord, read_record, revoke, sessions, write_record
from runner.operations.verbs import Role
from runner.web import live
from runner.web.login import LoginSettings
from runner.web.sessions import Login, SessionLimits, Sessions, _digest
from tests.visit import (
    HASH,
    OPERATE,
    PAUSE,
    SAME,
    SECRET,
    USERS,
    VIEW,
    csrf_of,
    is_in,
    is_paused,
    log_in,
    visiting,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from runner import QueueClient

LOGIN = LoginSettings(users=USERS)


@asynccontextmanager
async def _with_cookies_of(
    browser: httpx.AsyncClient, redis: QueueClient, login: LoginSettings, secret: str = SECRET
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of another server with the cookies of *browser*."""
    async with visiting(redis, login, secret=secret) as other:
        other.cookies.update(dict(browser.cookies))
        yield other


async def _record(redis: QueueClient) -> tuple[str, SessionRecord]:
    (session_id,) = await redis.zrange(keys.ARQ.sessions, 0, -1)
    key = keys.ARQ.session_prefix + session_id.decode()
    record = read_record(await redis.get(key))
    assert record is not None
    return key, record


async def test_logout_ends_the_session_on_every_server(redis: QueueClient) -> None:
    """The cookie that was copied before opens nothing afterwards."""
    async with visiting(redis, LOGIN) as browser:
        await log_in(browser, "bob")
        async with _with_cookies_of(browser, redis, LOGIN) as other:
            assert await is_in(other)
            page = await browser.get("/queues")
            await browser.post("/logout", data={"csrf": csrf_of(page)}, headers=SAME)
            assert dict(browser.cookies) == {}
            assert not await is_in(other)
    assert await redis.keys("arq:session*") == []


async def test_revoked_session_ends_on_every_server(redis: QueueClient) -> None:
    """Others go on."""
    async with visiting(redis, LOGIN) as ada, visiting(redis, LOGIN) as bob:
        await log_in(ada)
        await log_in(bob, "bob")
        (of_bob,) = [one for one in await sessions(redis) if one.name == "bob"]
        assert await revoke(redis, Operator(redis, "tester"), [of_bob]) == 1
        assert not await is_in(bob)
        assert await is_in(ada)
        assert await revoke(redis, Operator(redis, "tester"), [of_bob]) == 0


@pytest.mark.parametrize(
    "later",
    [
        LoginSettings(users={"bob": USERS["bob"]}),
        LoginSettings(users={"ada": dataclasses.replace(USERS["ada"], password_hash=f"{HASH}A")}),
        LoginSettings(tokens={VIEW: Role.VIEW}),
    ],
    ids=["removed", "new password", "no users"],
)
async def test_session_ends_with_what_its_user_logged_in_with(
    redis: QueueClient, later: LoginSettings
) -> None:
    """Whether the user is removed, has another password, or nobody has one."""
    async with visiting(redis, LOGIN) as browser:
        await log_in(browser)
        async with _with_cookies_of(browser, redis, later) as other:
            assert not await is_in(other)


async def test_session_of_a_token_ends_with_the_token(redis: QueueClient) -> None:
    """Also where another token has the same role; a token that stays keeps its session."""
    both = LoginSettings(tokens={OPERATE: Role.OPERATE, VIEW: Role.VIEW})
    rotated = LoginSettings(tokens={OPERATE[::-1]: Role.OPERATE, VIEW: Role.VIEW})
    async with visiting(redis, both) as operator, visiting(redis, both) as viewer:
        await log_in(operator, "", OPERATE)
        await log_in(viewer, "", f" {VIEW}\n")
        async with _with_cookies_of(operator, redis, rotated) as other:
            assert not await is_in(other)
        async with _with_cookies_of(viewer, redis, rotated) as other:
            assert await is_in(other)


async def test_role_is_read_at_each_request(redis: QueueClient) -> None:
    """A user who was demoted keeps their session, and may only look."""
    demoted = LoginSettings(users={"ada": dataclasses.replace(USERS["ada"], role=Role.VIEW)})
    async with visiting(redis, LOGIN) as browser:
        await log_in(browser)
        async with _with_cookies_of(browser, redis, demoted) as other:
            page = await other.get("/queues")
            assert "Pause" not in page.text
            answer = await other.post(PAUSE, data={"csrf": csrf_of(page)}, headers=SAME)
            assert answer.status_code == 403
    assert not await is_paused(redis)


async def test_another_secret_ends_every_session(redis: QueueClient) -> None:
    """It is how to log everybody out, whatever Redis holds."""
    async with visiting(redis, LOGIN) as browser:
        await log_in(browser)
        async with _with_cookies_of(browser, redis, LOGIN, SECRET[::-1]) as other:
            assert not await is_in(other)


async def test_session_that_is_not_used_ends(redis: QueueClient) -> None:
    """Redis forgets it; while it is used it goes on, but not by what a page fetches by itself."""
    async with visiting(redis, LOGIN) as browser:
        await log_in(browser)
        key, record = await _record(redis)
        limits = SessionLimits()
        assert 0 < await redis.pttl(key) <= limits.idle_s * 1000

        older = dataclasses.replace(record, used_ms=record.used_ms - 600_000)
        await redis.set(key, write_record(older), keepttl=True)
        await browser.get("/queues", headers={"sec-fetch-dest": "empty"})
        assert (await _record(redis))[1].used_ms == older.used_ms
        await browser.get("/queues", headers={"sec-fetch-dest": "document"})
        assert (await _record(redis))[1].used_ms >= record.used_ms

        idle = dataclasses.replace(record, used_ms=record.used_ms - limits.idle_s * 1000)
        await redis.set(key, write_record(idle), keepttl=True)
        assert not await is_in(browser)


async def test_session_ends_however_much_it_is_used(redis: QueueClient) -> None:
    """After its longest time, which may also have been shortened since it began."""
    short = dataclasses.replace(LOGIN, sessions=SessionLimits(idle_s=1800, longest_s=600))
    over = dataclasses.replace(LOGIN, sessions=SessionLimits(idle_s=1800, longest_s=0))
    async with visiting(redis, short) as browser:
        await log_in(browser)
        key, record = await _record(redis)
        assert await redis.pttl(key) <= 600_000
        assert await is_in(browser)
        async with _with_cookies_of(browser, redis, over) as other:
            assert not await is_in(other)
        # Nobody prolongs it by writing to Redis either.
        later = dataclasses.replace(record, started_ms=record.started_ms + 1000)
        await redis.set(key, write_record(later), keepttl=True)
        assert not await is_in(browser)


async def test_session_that_was_revoked_meanwhile_is_not_revived(redis: QueueClient) -> None:
    """A request that is under way when its session ends writes nothing."""
    store = Sessions(redis, SECRET, SessionLimits())
    token = await store.start(Login("ada", HASH), "127.0.0.1", "")
    found = await store.find(token)
    assert found is not None
    await store.end(token)
    await store.use(dataclasses.replace(found, now_ms=found.now_ms + 600_000))
    assert await store.find(token) is None
    assert await redis.keys("arq:session:*") == []


async def test_whoever_reads_and_writes_redis_gets_no_session(redis: QueueClient) -> None:
    """Redis holds no cookie, and what is written there without the secret opens nothing."""
    async with visiting(redis, LOGIN) as browser:
        await log_in(browser, "bob")
        (cookie,) = dict(browser.cookies).values()
        key, record = await _record(redis)
        for stored in await redis.keys("*"):
            assert cookie.encode() not in stored
            assert await redis.type(stored) != b"string" or cookie.encode() not in (
                await redis.get(stored)
            )
        await redis.set(key, write_record(dataclasses.replace(record, name="ada")))
        assert not await is_in(browser)
        mine = "A" * 43
        copied = Sessions(redis, SECRET[::-1], SessionLimits())
        await copied.start(Login("ada", HASH), "127.0.0.1", "")
        found = await sessions(redis)
        for one in found:
            await redis.rename(keys.ARQ.session_prefix + one.session_id, "mine")
            await redis.copy("mine", keys.ARQ.session_prefix + _digest(mine), replace=True)
            browser.cookies.clear()
            browser.cookies.set("pipeline_session", mine)
            assert not await is_in(browser)


@pytest.mark.parametrize("value", [b"", b"{}", b"[]", b"\xff", b"null", b'{"name": 1}', b"1e999"])
async def test_unreadable_session_is_none(redis: QueueClient, value: bytes) -> None:
    """A wrong type, too; pages ask for a login, and the list says so, and may end it."""
    async with visiting(redis, LOGIN) as browser:
        await log_in(browser)
        key, _ = await _record(redis)
        await redis.set(key, value)
        assert not await is_in(browser)
        await redis.delete(key)
        await redis.rpush(key, value)  # type: ignore[misc]
        assert not await is_in(browser)
        [listed] = await sessions(redis)
        assert listed.unreadable
        assert await revoke(redis, Operator(redis, "ada"), [listed]) == 1
        assert await sessions(redis) == []


async def test_page_lists_sessions_and_revokes_them(redis: QueueClient) -> None:
    """An operator sees all of them, a viewer their own; it is in the audit log."""
    chrome = {"user-agent": "Chrome <b>"}
    async with (
        visiting(redis, LOGIN, headers=chrome) as ada,
        visiting(redis, LOGIN) as bob,
        visiting(redis, LOGIN) as bob_elsewhere,
    ):
        await log_in(ada, came_from="192.0.2.7")
        await log_in(bob, "bob")
        await log_in(bob_elsewhere, "bob")
        page = await ada.get("/sessions")
        assert page.text.count("<tr data-key") == 3
        assert "192.0.2.7" in page.text
        assert "Chrome &lt;b&gt;" in page.text
        of_bob = await bob.get("/sessions")
        assert of_bob.text.count("<tr data-key") == 2
        by_name = {one.name: one.session_id for one in await sessions(redis)}
        form = {"csrf": csrf_of(of_bob), "id": by_name["ada"]}
        assert (await bob.post("/sessions/revoke", data=form, headers=SAME)).status_code == 404
        form = {"csrf": csrf_of(of_bob), "id": by_name["bob"]}
        assert (await bob.post("/sessions/revoke", data=form, headers=SAME)).status_code == 303
        assert sorted([await is_in(bob), await is_in(bob_elsewhere)]) == [False, True]
        ids = [one.session_id for one in await sessions(redis)]
        all_of_them = {"csrf": [csrf_of(page)], "id": ids}
        await ada.post("/sessions/revoke", data=all_of_them, headers=SAME)
        assert not await is_in(ada)
        assert not await is_in(bob_elsewhere)
    entries = await redis.xrevrange(keys.ARQ.audit, count=1)
    assert entries[0][1][b"action"] == b"revoke session"


async def test_login_ends_the_session_that_the_browser_had(redis: QueueClient) -> None:
    """Its cookie changes with each login, and what it was before opens nothing."""
    async with visiting(redis, LOGIN) as browser:
        await log_in(browser, "bob")
        before = dict(browser.cookies)
        await log_in(browser, "ada")
        assert dict(browser.cookies) != before
        browser.cookies.update(before)
        assert not await is_in(browser)
    assert [one.name for one in await sessions(redis)] == ["ada"]


async def test_cookie_of_tls_is_for_this_host_alone(redis: QueueClient) -> None:
    """`Secure` and with the prefix that no other host can set; without TLS neither holds."""
    async with visiting(redis, LOGIN) as browser:
        form = {"name": "ada", "password": "correct horse"}
        by_tls = {**SAME, "x-forwarded-proto": "https"}
        answer = await browser.post("/login", data=form, headers=by_tls)
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-pipeline_session=")
        assert cookie.endswith("; Path=/; HttpOnly; SameSite=Strict; Secure")
        name, value = cookie.partition(";")[0].split("=")
        plain = await browser.get("/queues", headers={"cookie": f"{name}={value}"})
        assert plain.status_code == 303
        own = {"cookie": f"{name}={value}", "x-forwarded-proto": "https"}
        assert (await browser.get("/queues", headers=own)).status_code == 200


async def test_stream_of_changes_ends_with_its_session(
    redis: QueueClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An open page learns of it, and asks for a login."""
    monkeypatch.setattr(live, "_POLL_INTERVAL_S", 0.05)
    async with visiting(redis, LOGIN) as browser:
        await log_in(browser)
        async with browser.stream("GET", "/live") as events:
            lines = events.aiter_lines()
            while "event: beat" not in await anext(lines):
                pass
            await revoke(redis, Operator(redis, "tester"), await sessions(redis))
            async for _ in lines:
                pass
        assert not await is_in(browser)


async def test_sessions_are_bounded(redis: QueueClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest end for new ones."""
    monkeypatch.setattr("runner.web.sessions._MOST", 3)
    store = Sessions(redis, SECRET, SessionLimits())
    tokens = []
    for number in range(5):
        tokens.append(await store.start(Login(f"user{number}", HASH), "127.0.0.1", "x" * 10_000))
        # A millisecond apart, so that it is known which is the oldest.
        started = await redis.time()
        while await redis.time() < (started[0], started[1] + 2000):
            pass
    assert [await store.find(token) is not None for token in tokens] == [False] * 2 + [True] * 3
    assert [one.name for one in await sessions(redis)] == ["user4", "user3", "user2"]
    assert all(len(one.program) <= 200 for one in await sessions(redis))
