"""Who may log in to the pages, as configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runner.operations.verbs import Role
from runner.web.login import hash_password
from settings.environment import SettingsError, load
from settings.pages import _kept_secret, login_settings

if TYPE_CHECKING:
    from pathlib import Path


def test_pages_are_open_on_the_loopback_address_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """On any other address a login is required."""
    assert login_settings(load()).is_open
    monkeypatch.setenv("WEB__HOST", "::1")
    assert login_settings(load()).is_open
    for host in ("0.0.0.0", "192.168.1.5", "pipeline.example"):  # noqa: S104 -- that is the point
        monkeypatch.setenv("WEB__HOST", host)
        with pytest.raises(SettingsError, match="WEB__USERS"):
            login_settings(load())


def test_users_tokens_and_proxy_open_other_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is enough by itself."""
    monkeypatch.setenv("WEB__HOST", "192.168.1.5")
    monkeypatch.setenv("WEB__USERS", f"ada:operate:{hash_password('correct horse')}")
    assert login_settings(load()).users["ada"].role is Role.OPERATE
    monkeypatch.delenv("WEB__USERS")
    monkeypatch.setenv("WEB__VIEW_TOKEN", "look")
    assert login_settings(load()).tokens == {"look": Role.VIEW}
    monkeypatch.delenv("WEB__VIEW_TOKEN")
    monkeypatch.setenv("WEB__PROXY_HEADER", "X-User")
    proxy = login_settings(load()).proxy
    assert proxy is not None
    assert proxy.peers == {"127.0.0.1", "::1"}
    assert proxy.operators == frozenset()


def test_secret_is_made_once_and_nobody_else_reads_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A restart logs nobody out."""
    monkeypatch.setenv("PIPELINE_HOME", str(tmp_path / "home"))
    secret = _kept_secret(load())

    assert len(secret) > 30
    assert _kept_secret(load()) == secret
    assert (tmp_path / "home" / "web-secret").stat().st_mode & 0o777 == 0o600
