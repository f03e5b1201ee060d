"""Guesses at passwords and tokens: counted before they are checked, by account and by address."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest
import structlog

from runner.broker import keys
from runner.operations.verbs import Role
from runner.web.authenticator import Authenticator
from runner.web.login import LoginSettings, User, hash_password
from tests.visit import OPERATE, SAME, USERS, VIEW, is_in, log_in, visiting

if TYPE_CHECKING:
    import httpx

    from runner import QueueClient

LOGIN = LoginSettings(users=USERS)
TOKENS = LoginSettings(users=USERS, tokens={OPERATE: Role.OPERATE, VIEW: Role.VIEW})


async def _guess(browser: httpx.AsyncClient, name: str, came_from: str | None = None) -> int:
    return (await log_in(browser, name, "guess", came_from=came_from)).status_code


async def _bearer(browser: httpx.AsyncClient, token: str, came_from: str = "192.0.2.1") -> int:
    headers = {"authorization": f"Bearer {token}", "x-forwarded-for": came_from}
    return (await browser.get("/api/queues", headers=headers)).status_code


async def test_guesses_made_at_once_are_not_all_checked(
    redis: QueueClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a hundred five are, two at a time; the right password is not let in behind them."""
    running, most, checked = 0, 0, 0
    lock = threading.Lock()
    verify = Authenticator._verify

    def counting(self: Authenticator, user: User | None, password: str) -> bool:
        nonlocal running, most, checked
        with lock:
            running, checked = running + 1, checked + 1
            most = max(most, running)
        try:
            return verify(self, user, password)
        finally:
            with lock:
                running -= 1

    monkeypatch.setattr(Authenticator, "_verify", counting)
    strong = {"ada": User("ada", Role.OPERATE, hash_password("correct horse"))}
    async with visiting(redis, LoginSettings(users=strong)) as browser:
        found = Counter(await asyncio.gather(*(_guess(browser, "ada") for _ in range(100))))
        assert found == {401: 5, 429: 95}
        assert (checked, most) == (5, 2)
        assert (await log_in(browser)).status_code == 429


async def test_guesses_at_many_names_count_for_their_address(redis: QueueClient) -> None:
    """Also at names that do not exist."""
    async with visiting(redis, LOGIN) as browser:
        codes = await asyncio.gather(*(_guess(browser, f"user{n}") for n in range(30)))
    assert Counter(codes) == {401: 5, 429: 25}


async def test_own_login_resets_nothing(redis: QueueClient) -> None:
    """Whoever knows one password gets no more guesses at another, nor does logging in cost any."""
    async with visiting(redis, LOGIN) as browser:
        for _ in range(20):
            assert (await log_in(browser, "bob")).status_code == 303
        found = []
        for _ in range(8):
            found.append(await _guess(browser, "ada"))
            await log_in(browser, "bob")
    assert found == [401] * 5 + [429] * 3


async def test_guesses_behind_a_proxy_keep_nobody_else_out(redis: QueueClient) -> None:
    """They lock out their own address, not that of the proxy, nor the account elsewhere."""
    async with visiting(redis, LOGIN) as browser:
        for _ in range(50):
            await _guess(browser, "ada", "192.0.2.1")
        assert (await log_in(browser, "bob", came_from="192.0.2.1")).status_code == 429
        assert (await log_in(browser, "bob", came_from="192.0.2.2")).status_code == 303
        assert (await log_in(browser, "ada", came_from="192.0.2.2")).status_code == 303


async def test_guesses_at_one_account_count_from_wherever_they_come(redis: QueueClient) -> None:
    """Ten in all; other accounts are open."""
    async with visiting(redis, LOGIN) as browser:
        found = [await _guess(browser, "ada", f"192.0.2.{n}") for n in range(15)]
        assert found == [401] * 10 + [429] * 5
        assert (await log_in(browser, "bob", came_from="192.0.2.77")).status_code == 303


async def test_addresses_of_one_ipv6_network_are_one(redis: QueueClient) -> None:
    """A customer has billions of them."""
    async with visiting(redis, LOGIN) as browser:
        found = [await _guess(browser, f"user{n}", f"2001:db8::{n:x}") for n in range(7)]
        assert found == [401] * 5 + [429] * 2
        assert await _guess(browser, "ada", "2001:db8:1::1") == 401


async def test_client_cannot_choose_its_address(redis: QueueClient) -> None:
    """Only the last entry is the proxy's; those before it are the client's own words."""
    async with visiting(redis, LOGIN) as browser:
        found = [await _guess(browser, f"user{n}", f"198.51.100.{n}, 192.0.2.1") for n in range(7)]
    assert found == [401] * 5 + [429] * 2


async def test_servers_count_together(redis: QueueClient) -> None:
    """Behind a balancer there are no more guesses than at one of them."""
    async with visiting(redis, LOGIN) as one, visiting(redis, LOGIN) as other:
        found = [await _guess(browser, "ada") for browser in (one, other) * 4]
    assert found == [401] * 5 + [429] * 3


async def test_guesses_are_forgotten_after_their_window(redis: QueueClient) -> None:
    """Five minutes after the first, all of them; an answer says how long to wait."""
    async with visiting(redis, LOGIN) as browser:
        for _ in range(5):
            await _guess(browser, "ada")
        refused = await log_in(browser)
        assert "Too many attempts. Wait " in refused.text
        kept = await redis.keys(keys.ARQ.guesses_prefix + "*")
        assert len(kept) == 2
        for key in kept:
            assert 0 < await redis.pttl(key) <= 300_000
        await redis.delete(*kept)
        assert (await log_in(browser)).status_code == 303


async def test_guesses_that_would_not_expire_do(redis: QueueClient) -> None:
    """A set without an expiry is none of ours: it would lock its account for ever."""
    async with visiting(redis, LOGIN) as browser:
        await _guess(browser, "ada")
        [account] = await redis.keys(keys.ARQ.guesses_prefix + "account:*")
        await redis.sadd(account, *map(str, range(20)))  # type: ignore[misc]  # redis-py's own hints
        await redis.persist(account)
        assert (await log_in(browser)).status_code == 429
        assert 0 < await redis.pttl(account) <= 300_000


async def test_what_is_no_set_of_guesses_lets_nobody_in(redis: QueueClient) -> None:
    """In a sentence that says what to do."""
    async with visiting(redis, LOGIN) as browser:
        await _guess(browser, "ada")
        [account] = await redis.keys(keys.ARQ.guesses_prefix + "account:*")
        await redis.delete(account)
        await redis.set(account, "odd")
        answer = await log_in(browser)
        assert answer.status_code == 503
        assert "doctor --repair" in answer.text


async def test_wrong_bearer_tokens_are_counted_and_logged(redis: QueueClient) -> None:
    """After five the right one is refused, too, from that address alone."""
    async with visiting(redis, TOKENS) as browser:
        with structlog.testing.capture_logs() as lines:
            codes = await asyncio.gather(*(_bearer(browser, f"guess{n}") for n in range(40)))
        assert Counter(codes) == {401: 5, 429: 35}
        assert await _bearer(browser, OPERATE) == 429
        assert await _bearer(browser, OPERATE, "192.0.2.2") == 200
        refused = await browser.get(
            "/api/queues",
            headers={"authorization": f"Bearer {OPERATE}", "x-forwarded-for": "192.0.2.1"},
        )
        assert 0 < int(refused.headers["retry-after"]) <= 300
    assert Counter(line["event"] for line in lines) == {
        "wrong token": 5,
        "token refused unchecked": 35,
    }
    assert {line["address"] for line in lines} == {"192.0.2.1"}
    assert "guess" not in str(lines)


async def test_token_that_is_out_of_date_locks_nobody_out(redis: QueueClient) -> None:
    """A program that sends it again and again has guessed once."""
    async with visiting(redis, TOKENS) as browser:
        for _ in range(20):
            assert await _bearer(browser, "of-last-year") == 401
        assert await _bearer(browser, OPERATE) == 200


async def test_right_tokens_count_for_nothing(redis: QueueClient) -> None:
    """Many at once are all let in."""
    async with visiting(redis, TOKENS) as browser:
        codes = await asyncio.gather(*(_bearer(browser, OPERATE) for _ in range(30)))
    assert Counter(codes) == {200: 30}
    assert await redis.keys(keys.ARQ.guesses_prefix + "*") == []


async def test_guesses_at_the_tokens_of_the_login_count_too(redis: QueueClient) -> None:
    """They have no account, but an address."""
    async with visiting(redis, TOKENS) as browser:
        found = [await _guess(browser, "") for _ in range(7)]
        assert found == [401] * 5 + [429] * 2
        assert (await log_in(browser, "", OPERATE, came_from="192.0.2.9")).status_code == 303


async def test_session_guesses_no_token_beyond_the_limit(redis: QueueClient) -> None:
    """Whoever is logged in goes on as themselves, and their guesses count."""
    async with visiting(redis, TOKENS) as browser:
        await log_in(browser, "bob")
        for number in range(9):
            headers = {"authorization": f"Bearer guess{number}"}
            assert (await browser.get("/queues", headers=headers)).status_code == 200
        page = await browser.get("/queues", headers={"authorization": f"Bearer {OPERATE}"})
        assert "Pause" not in page.text
        assert await is_in(browser)


async def test_guesses_at_logins_are_all_logged(redis: QueueClient) -> None:
    """Checked or not, with name and address; the password never is."""
    async with visiting(redis, LOGIN) as browser:
        with structlog.testing.capture_logs() as lines:
            for _ in range(7):
                await _guess(browser, "ada", "192.0.2.1")
    assert [line["event"] for line in lines] == ["login failed"] * 5 + [
        "login refused unchecked"
    ] * 2
    assert {(line["user"], line["address"]) for line in lines} == {("ada", "192.0.2.1")}
    assert "guess" not in str(lines)


@pytest.mark.parametrize("header", [b"Basic YTpi", b"Bearer", b"Bearer \xff\xfe", b"x" * 9000])
async def test_odd_authorization_is_no_server_error(redis: QueueClient, header: bytes) -> None:
    """It is no token, or a wrong one."""
    async with visiting(redis, TOKENS) as browser:
        raw = [(b"authorization", header)]
        assert (await browser.get("/queues", headers=raw)).status_code == 303


@pytest.mark.parametrize(
    "form",
    [
        b"name=ada%00%1b[31m&password=%ff",
        b"name=" + b"x" * 5000 + b"&password=x",
        b"name=%F0%9D%95%B1&password=%ED%A0%BD",
        b"password=x&password=y&name=a&name=b",
    ],
)
async def test_odd_login_is_only_wrong(redis: QueueClient, form: bytes) -> None:
    """Whatever is typed."""
    kind = {"content-type": "application/x-www-form-urlencoded"}
    async with visiting(redis, TOKENS) as browser:
        answer = await browser.post("/login", content=form, headers={**SAME, **kind})
        assert answer.status_code == 401
