"""Who sent a request: by a token, a proxy, a session, or nobody yet. Guesses are counted."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from runner.operations.verbs import Role
from runner.web.guesses import Guesses, TooManyGuessesError
from runner.web.login import LEAST_SECRET, check_secret
from runner.web.sessions import Login, Sessions, cookie, cookie_of, new_token

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from starlette.requests import HTTPConnection

    from runner.web.login import LoginSettings, Proxy, User

_log = structlog.get_logger("runner.web")

_HASHES_AT_ONCE = 2
"""Each takes 64 MiB, on purpose."""

_SHOWN_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class Visitor:
    """
    Somebody who came in.

    csrf: the token of their forms. by_token: they sent a valid token with this very request, which
    no form of another site can do. session_id: of their session, if they logged in.
    set_cookie: what their browser is to be sent, if it has no cookie yet.
    """

    name: str
    role: Role
    csrf: str = ""
    by_token: bool = False
    session_id: str = ""
    set_cookie: str = ""

    @property
    def may_operate(self) -> bool:
        """Whether they may change anything."""
        return self.role is Role.OPERATE


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """Somebody who has just logged in, and the `Set-Cookie` for their browser."""

    name: str
    cookie: str = field(repr=False)


class Authenticator:
    """
    Knows visitors, and checks logins.

    Raises:
        ConfigurationError: *secret* can be guessed.
    """

    def __init__(self, settings: LoginSettings, redis: Redis, secret: str) -> None:
        check_secret("the secret of the sessions", secret, LEAST_SECRET)
        self.settings = settings
        self.sessions = Sessions(redis, secret, settings.sessions)
        self._guesses = Guesses(redis, secret)
        self._hashing = ThreadPoolExecutor(_HASHES_AT_ONCE, "passwords")
        self._decoy: str | None = None

    async def visitor(self, request: HTTPConnection, *, is_use: bool = True) -> Visitor | None:
        """
        The visitor; None if they have to log in first. is_use: their session goes on.

        Raises:
            TooManyGuessesError: Their address has sent too many wrong tokens.
            RedisError: Redis does not answer.
        """
        by_token = await self._by_token(request)
        if isinstance(by_token, Visitor):
            return by_token
        found = await self._without_token(request, is_use=is_use)
        if found is None and by_token is not None:
            raise by_token
        return found

    async def login(self, request: HTTPConnection, name: str, password: str) -> LoggedIn | None:
        """
        Check a name and password, or a token without a name, and start a session.

        None if they are wrong. It is slow on purpose. A session that the browser had before ends.

        Raises:
            TooManyGuessesError: Nothing was checked.
            RedisError: Redis does not answer.
        """
        address = self.address(request)
        shown = name[:_SHOWN_CHARACTERS]
        try:
            guess = await self._guesses.count(address, name or None)
        except TooManyGuessesError as error:
            _log.warning("login refused unchecked", user=shown, address=address, reason=str(error))
            raise
        login = await self._checked(name, password)
        if login is None:
            _log.warning("login failed", user=shown, address=address)
            return None
        await guess.take_back()
        await self.logout(request)
        program = request.headers.get("user-agent", "")
        token = await self.sessions.start(login, address, program)
        return LoggedIn(login.name, self._cookie(request, token))

    async def logout(self, request: HTTPConnection) -> str:
        """End the session of the browser, everywhere, and return what deletes its cookie."""
        secure = self.is_https(request)
        if token := cookie_of(request, secure=secure):
            await self.sessions.end(token)
        return cookie("", secure=secure, lives_s=0)

    def address(self, request: HTTPConnection) -> str:
        """The address of the visitor, not that of a proxy in between."""
        return self.settings.peers.client(request)

    def is_https(self, request: HTTPConnection) -> bool:
        """Whether the browser came by TLS: to this server, or to a proxy that is believed."""
        return self.settings.peers.is_https(request)

    async def _by_token(self, request: HTTPConnection) -> Visitor | TooManyGuessesError | None:
        kind, _, sent = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not self.settings.tokens:
            return None
        token = self._known_token(sent.strip())
        address = self.address(request)
        try:
            await self._guesses.bearer(address, wrong="" if token else sent.strip() or "-")
        except TooManyGuessesError as error:
            _log.warning("token refused unchecked", address=address, reason=str(error))
            return error
        if token is None:
            _log.warning("wrong token", address=address)
            return None
        role = self.settings.tokens[token]
        return Visitor(_token_name(role), role, by_token=True)

    async def _without_token(self, request: HTTPConnection, *, is_use: bool) -> Visitor | None:
        if self.settings.proxy is not None:
            return self._by_proxy(self.settings.proxy, request)
        if self.settings.is_open:
            return self._with_cookie(request, "local", Role.OPERATE)
        return await self._by_session(request, is_use=is_use)

    def _by_proxy(self, proxy: Proxy, request: HTTPConnection) -> Visitor | None:
        names = request.headers.getlist(proxy.header)
        # Of two, one may be what the browser sent.
        if len(names) != 1 or not names[0] or not self.settings.peers.believes(request):
            return None
        operates = "*" in proxy.operators or names[0] in proxy.operators
        role = Role.OPERATE if operates else Role.VIEW
        return self._with_cookie(request, names[0][:_SHOWN_CHARACTERS], role)

    def _with_cookie(self, request: HTTPConnection, name: str, role: Role) -> Visitor:
        """Somebody without a login: their cookie only ties their forms to their browser."""
        token = cookie_of(request, secure=self.is_https(request))
        fresh = "" if token else new_token()
        return Visitor(
            name,
            role,
            csrf=self.sessions.form_token(token or fresh, name),
            set_cookie=self._cookie(request, fresh) if fresh else "",
        )

    async def _by_session(self, request: HTTPConnection, *, is_use: bool) -> Visitor | None:
        token = cookie_of(request, secure=self.is_https(request))
        found = await self.sessions.find(token) if token else None
        if token is None or found is None:
            return None
        for login, role in self._logins(found.record.name):
            if self.sessions.belongs_to(login, found):
                if is_use:
                    await self.sessions.use(found)
                csrf = self.sessions.form_token(token, login.name)
                return Visitor(login.name, role, csrf=csrf, session_id=found.session_id)
        return None

    def _logins(self, name: str) -> list[tuple[Login, Role]]:
        """Who may have that name now, each with the role of now."""
        user = self.settings.users.get(name)
        of_user = [] if user is None else [(Login(name, user.password_hash), user.role)]
        return of_user + [
            (Login(_token_name(role), token), role) for token, role in self.settings.tokens.items()
        ]

    async def _checked(self, name: str, password: str) -> Login | None:
        if not name:
            token = self._known_token(password.strip())
            return None if token is None else self._login_of(token)
        user = self.settings.users.get(name)
        loop = asyncio.get_running_loop()
        fits = await loop.run_in_executor(self._hashing, self._verify, user, password)
        return Login(user.name, user.password_hash) if user is not None and fits else None

    def _known_token(self, sent: str) -> str | None:
        found = None
        for token in self.settings.tokens:
            if hmac.compare_digest(token.encode(), sent.encode("utf-8", "replace")):
                found = token
        return found

    def _login_of(self, token: str) -> Login:
        return Login(_token_name(self.settings.tokens[token]), token)

    def _cookie(self, request: HTTPConnection, token: str) -> str:
        lives_s = self.settings.sessions.longest_s
        return cookie(token, secure=self.is_https(request), lives_s=lives_s)

    def _verify(self, user: User | None, password: str) -> bool:
        """An unknown name takes as long as a known one."""
        from argon2 import PasswordHasher
        from argon2.exceptions import Argon2Error, InvalidHashError

        hasher = PasswordHasher()
        if self._decoy is None:
            self._decoy = hasher.hash(secrets.token_hex())
        try:
            hasher.verify(user.password_hash if user else self._decoy, password)
        except (Argon2Error, InvalidHashError):
            return False
        return user is not None


def _token_name(role: Role) -> str:
    return f"token ({role})"
