"""
Who may come in, and what they may do.

There are four ways in: no login at all (on the loopback address only), users with passwords,
tokens, or the header of a reverse proxy, believed from its own address only. There are two roles:
`view` looks, `operate` acts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runner.errors import ConfigurationError
from runner.operations.verbs import Role
from runner.web.peers import Peers
from runner.web.sessions import SessionLimits
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

LEAST_TOKEN = 16
LEAST_SECRET = 32
"""The fewest characters of each; both should be random."""

_LEAST_DIFFERENT = 6
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_TAKEN_HEADERS = frozenset({"authorization", "cookie", "host", "origin"})


@dataclass(frozen=True, slots=True)
class User:
    """A name with its role and the Argon2 hash of its password."""

    name: str
    role: Role
    password_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Proxy:
    """
    A reverse proxy that names the visitor in *header*.

    operators: names that may operate; `*` is any name.
    """

    header: str
    operators: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not _HEADER.fullmatch(self.header) or self.header.lower() in _TAKEN_HEADERS:
            raise ConfigurationError(
                f"WEB__PROXY_HEADER {self.header!r}: write the name of a header of its own, "
                "such as X-Forwarded-User"
            )


@dataclass(frozen=True, slots=True)
class LoginSettings:
    """
    Who may come in. With no users, tokens or proxy, anybody may.

    peers: the proxies that are believed about the visitor, their address, and TLS.

    Raises:
        ConfigurationError: A token can be guessed or cannot be sent, or no proxy is believed.
    """

    users: Mapping[str, User] = field(default_factory=dict)
    tokens: Mapping[str, Role] = field(default_factory=dict, repr=False)
    proxy: Proxy | None = None
    peers: Peers = field(default_factory=Peers)
    sessions: SessionLimits = field(default_factory=SessionLimits)

    def __post_init__(self) -> None:
        for token in self.tokens:
            check_secret("a token", token, LEAST_TOKEN)
            if not (token.isascii() and token.isprintable() and " " not in token):
                raise ConfigurationError(
                    "a token has characters that no header can carry: use letters and digits, "
                    "such as those of `openssl rand -hex 32`"
                )
        if self.proxy is not None and not self.peers.networks:
            raise ConfigurationError(
                "WEB__PROXY_PEERS is empty, so WEB__PROXY_HEADER would be believed from nobody: "
                "name the addresses of the proxies"
            )

    @property
    def is_open(self) -> bool:
        """Whether anybody may come in."""
        return not self.users and not self.tokens and self.proxy is None

    @property
    def has_login(self) -> bool:
        """Whether the login page accepts anything."""
        return bool(self.users or self.tokens)


def check_secret(what: str, secret: str, least: int) -> None:
    """
    Refuse a *secret* that can be guessed; it is never quoted.

    Raises:
        ConfigurationError: It has fewer than *least* characters, or hardly any different ones.
    """
    length, different = len(secret.strip()), len(set(secret))
    if length >= least and different >= _LEAST_DIFFERENT:
        return
    raise ConfigurationError(
        f"{what} has {counted(length, 'character')}, {different} of them different, and can be "
        f"guessed: use {least} random ones or more, such as those of `openssl rand -hex 32`"
    )


def read_users(text: str) -> dict[str, User]:
    """
    Read `name:role:hash` words.

    Raises:
        ConfigurationError: A word has another form, or a name is there twice.
    """
    users: dict[str, User] = {}
    for word in text.split():
        name, _, rest = word.partition(":")
        role, _, password_hash = rest.partition(":")
        if not name or role not in set(Role) or not _is_hash(password_hash):
            raise ConfigurationError(
                f"user {name or '?'}: write NAME:ROLE:HASH, with the role view or operate and the "
                "hash that `pipeline password` prints"
            )
        if name in users:
            raise ConfigurationError(f"user {name} is there twice: keep one of them")
        users[name] = User(name, Role(role), password_hash)
    return users


def hash_password(password: str) -> str:
    """Hash with Argon2id and the library's own parameters."""
    from argon2 import PasswordHasher

    return PasswordHasher().hash(password)


def _is_hash(text: str) -> bool:
    from argon2 import extract_parameters
    from argon2.exceptions import InvalidHashError

    try:
        extract_parameters(text)
    except InvalidHashError:
        return False
    return True
