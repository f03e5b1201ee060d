"""
Who may come in, and what they may do.

There are four ways in: no login at all (on the loopback address only), users with passwords,
tokens, or the header of a reverse proxy, believed from its own address only. There are two roles:
`view` looks, `operate` acts.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runner import clock
from runner.errors import ConfigurationError
from runner.operations.verbs import Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import HTTPConnection

_TRIES = 5
_WINDOW_S = 300.0
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who came in. csrf: the token of their forms; empty for a bearer token."""

    name: str
    role: Role
    csrf: str = ""

    @property
    def may_operate(self) -> bool:
        """Whether they may change anything."""
        return self.role is Role.OPERATE


@dataclass(frozen=True, slots=True)
class User:
    """A name with its role and the Argon2 hash of its password."""

    name: str
    role: Role
    password_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Proxy:
    """A reverse proxy that names the visitor in *header*, from the addresses in *peers*."""

    header: str
    peers: frozenset[str]
    operators: frozenset[str]
    """Names that may operate; `*` is any name."""


@dataclass(frozen=True, slots=True)
class LoginSettings:
    """Who may come in. With no users, tokens or proxy, anybody may."""

    users: Mapping[str, User] = field(default_factory=dict)
    tokens: Mapping[str, Role] = field(default_factory=dict, repr=False)
    proxy: Proxy | None = None

    @property
    def is_open(self) -> bool:
        """Whether anybody may come in."""
        return not self.users and not self.tokens and self.proxy is None

    @property
    def has_login(self) -> bool:
        """Whether the login page accepts anything."""
        return bool(self.users or self.tokens)


def read_users(text: str) -> dict[str, User]:
    """
    Read `name:role:hash` words.

    Raises:
        ConfigurationError: A word has another form.
    """
    users = {}
    for word in text.split():
        name, _, rest = word.partition(":")
        role, _, password_hash = rest.partition(":")
        if not name or role not in set(Role) or not password_hash.startswith("$argon2"):
            raise ConfigurationError(
                f"user {name or '?'}: write NAME:ROLE:HASH, with the role view or operate and the "
                "hash that `pipeline password` prints"
            )
        users[name] = User(name, Role(role), password_hash)
    return users


def hash_password(password: str) -> str:
    """Hash with Argon2id and the library's own parameters."""
    from argon2 import PasswordHasher

    return PasswordHasher().hash(password)


class Authenticator:
    """Checks logins, and knows visitors by session, token or proxy."""

    def __init__(self, settings: LoginSettings) -> None:
        self.settings = settings
        self._failures = Failures()
        self._decoy: str | None = None

    def visitor(self, request: HTTPConnection) -> Visitor | None:
        """The visitor; None if they have to log in first."""
        if bearer := self._bearer(request):
            return bearer
        session = request.scope["session"]
        csrf = str(session.get("csrf", ""))
        if self.settings.proxy is not None:
            return self._by_proxy(self.settings.proxy, request, csrf)
        if self.settings.is_open:
            return Visitor("local", Role.OPERATE, csrf)
        name, role = session.get("name"), session.get("role")
        if isinstance(name, str) and role in set(Role) and self._still_known(name):
            return Visitor(name, Role(role), csrf)
        return None

    async def login(self, request: HTTPConnection, name: str, password: str) -> Visitor | None:
        """Check a name and password, or a token without a name; slow on purpose."""
        address = request.client.host if request.client else "?"
        if not name:
            role = self._role_of(password)
            self._failures.note(address, failed=role is None)
            return None if role is None else Visitor(f"token ({role})", role, new_csrf())
        user = self.settings.users.get(name)
        fits = await asyncio.to_thread(self._verify, user, password)
        self._failures.note(address, failed=not fits)
        if user is None or not fits:
            return None
        return Visitor(user.name, user.role, new_csrf())

    def must_wait_s(self, request: HTTPConnection) -> float:
        """Seconds until this address may try again; 0 if it may now."""
        return self._failures.wait_s(request.client.host if request.client else "?")

    def is_https(self, request: HTTPConnection) -> bool:
        """Whether the browser came by TLS: to this server, or to a proxy that is believed."""
        if request.url.scheme == "https":
            return True
        proxy, peer = self.settings.proxy, request.client.host if request.client else ""
        believed = proxy is not None and peer in proxy.peers
        return believed and request.headers.get("x-forwarded-proto") == "https"

    def _still_known(self, name: str) -> bool:
        """Removing a user from the configuration ends their sessions."""
        return name in self.settings.users or name.startswith("token (")

    def _bearer(self, request: HTTPConnection) -> Visitor | None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        role = self._role_of(token.strip()) if kind.lower() == "bearer" else None
        return None if role is None else Visitor(f"token ({role})", role)

    def _role_of(self, token: str) -> Role | None:
        found = None
        for known, role in self.settings.tokens.items():
            if hmac.compare_digest(known.encode(), token.encode()):
                found = role
        return found

    def _by_proxy(self, proxy: Proxy, request: HTTPConnection, csrf: str) -> Visitor | None:
        peer = request.client.host if request.client else ""
        name = request.headers.get(proxy.header, "")
        if peer not in proxy.peers or not name:
            return None
        operates = "*" in proxy.operators or name in proxy.operators
        return Visitor(name[:100], Role.OPERATE if operates else Role.VIEW, csrf)

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


class Failures:
    """Failed logins by address, which has to wait after five in five minutes. Bounded."""

    def __init__(self) -> None:
        self._times: OrderedDict[str, list[float]] = OrderedDict()

    def note(self, address: str, *, failed: bool) -> None:
        """Record a login: a failure counts, a success clears the count."""
        if not failed:
            self._times.pop(address, None)
            return
        self._times.setdefault(address, []).append(clock.monotonic())
        self._times.move_to_end(address)
        if len(self._times) > _REMEMBERED:
            self._times.popitem(last=False)

    def wait_s(self, address: str) -> float:
        """Seconds that the address has to wait."""
        now = clock.monotonic()
        recent = [at for at in self._times.get(address, ()) if now - at < _WINDOW_S]
        if address in self._times:
            self._times[address] = recent
        return _WINDOW_S - (now - recent[-_TRIES]) if len(recent) >= _TRIES else 0.0


def new_csrf() -> str:
    """Make the token that the forms of one session carry."""
    return secrets.token_urlsafe(24)
