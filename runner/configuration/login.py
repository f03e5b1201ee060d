"""Who may log in to the operators' pages, as configured, and what signs their sessions."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import secrets
import tempfile
from typing import TYPE_CHECKING

from runner.configuration.state_directory import make_home
from runner.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from runner.configuration.environment import Settings
    from runner.web.login import LoginSettings


def login_settings(settings: Settings) -> LoginSettings:
    """
    Read who may log in.

    Raises:
        SettingsError: The pages would be open to other machines without a login.
        ConfigurationError: A user or a proxy cannot be read, or a token can be guessed.
    """
    from runner.operations.verbs import Role
    from runner.web.login import LEAST_TOKEN, LoginSettings, Proxy, check_secret, read_users
    from runner.web.peers import Peers
    from runner.web.sessions import SessionLimits

    web = settings.web
    if web.token and web.token == web.view_token:
        raise SettingsError("WEB__TOKEN and WEB__VIEW_TOKEN are the same: give each role its own")
    tokens = {web.token: Role.OPERATE, web.view_token: Role.VIEW}
    proxy = None
    if web.proxy_header:
        operators = frozenset(web.proxy_operators.replace(",", " ").split())
        proxy = Proxy(web.proxy_header, operators)
    for name, token in (("WEB__TOKEN", web.token), ("WEB__VIEW_TOKEN", web.view_token)):
        if token:
            check_secret(name, token, LEAST_TOKEN)
    found = LoginSettings(
        users=read_users(web.users),
        tokens={token: role for token, role in tokens.items() if token},
        proxy=proxy,
        peers=Peers.read(web.proxy_peers),
        sessions=SessionLimits(idle_s=web.session_idle_s, longest_s=web.session_s),
    )
    if found.is_open and not _is_loopback(web.host):
        raise SettingsError(
            f"WEB__HOST is {web.host}, and the pages would be open to anybody there: set "
            "WEB__USERS, WEB__TOKEN or WEB__PROXY_HEADER, or serve on 127.0.0.1"
        )
    return found


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def web_secret(settings: Settings) -> str:
    """
    Return the secret that signs sessions: `WEB__SECRET`, or one that is made and kept.

    It is made once, so that a restart logs nobody out.

    Raises:
        SettingsError: It cannot be read or kept.
        ConfigurationError: It can be guessed.
    """
    from runner.web.login import LEAST_SECRET, check_secret

    path = settings.home / "web-secret"
    secret = settings.web.secret
    try:
        if not secret:
            if not path.exists():
                make_home(settings)
                _make_secret(path)
            secret = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}; mend it, or set WEB__SECRET") from None
    what = "WEB__SECRET" if settings.web.secret else f"{path} (delete it, and it is made anew)"
    check_secret(what, secret, LEAST_SECRET)
    return secret


def _make_secret(path: Path) -> None:
    """Make the file, whole and synced to disk: no reader finds a part of it."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".web-secret-") as draft:
        draft.write(secrets.token_urlsafe(32).encode())
        draft.flush()
        os.fsync(draft.fileno())
        with contextlib.suppress(FileExistsError):  # another process was faster: its secret holds
            os.link(draft.name, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
