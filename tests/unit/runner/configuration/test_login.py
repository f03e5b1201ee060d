"""Who may log in to the pages, as configured."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from runner.configuration import Settings, load
from runner.configuration.login import login_settings, web_secret
from runner.errors import ConfigurationError, SettingsError
from runner.operations.verbs import Role
from runner.web.login import hash_password

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "0123456789abcdef0123"  # noqa: S105
HASH = hash_password("correct horse")


def test_pages_are_open_on_the_loopback_address_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """On any other address a login is required."""
    assert login_settings(load(Settings)).is_open
    monkeypatch.setenv("WEB__HOST", "::1")
    assert login_settings(load(Settings)).is_open
    for host in ("0.0.0.0", "192.168.1.5", "pipeline.example"):  # noqa: S104 -- that is the point
        monkeypatch.setenv("WEB__HOST", host)
        with pytest.raises(SettingsError, match="WEB__USERS"):
            login_settings(load(Settings))


def test_users_tokens_and_proxy_open_other_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is enough by itself."""
    monkeypatch.setenv("WEB__HOST", "192.168.1.5")
    monkeypatch.setenv("WEB__USERS", f"ada:operate:{hash_password('correct horse')}")
    assert login_settings(load(Settings)).users["ada"].role is Role.OPERATE
    monkeypatch.delenv("WEB__USERS")
    monkeypatch.setenv("WEB__VIEW_TOKEN", TOKEN)
    assert login_settings(load(Settings)).tokens == {TOKEN: Role.VIEW}
    monkeypatch.delenv("WEB__VIEW_TOKEN")
    monkeypatch.setenv("WEB__PROXY_HEADER", "X-User")
    monkeypatch.setenv("WEB__PROXY_PEERS", "10.0.0.0/8,192.0.2.7")
    monkeypatch.setenv("WEB__PROXY_OPERATORS", "ada, bob")
    found = login_settings(load(Settings))
    assert found.proxy is not None
    assert found.proxy.operators == {"ada", "bob"}
    assert [str(one) for one in found.peers.networks] == ["10.0.0.0/8", "192.0.2.7/32"]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"WEB__TOKEN": "x"}, "WEB__TOKEN has 1 character,"),
        ({"WEB__TOKEN": "a" * 40}, "WEB__TOKEN has 40 characters, 1 of them different"),
        ({"WEB__VIEW_TOKEN": "hunter2"}, "WEB__VIEW_TOKEN has 7 characters"),
        ({"WEB__TOKEN": " " * 20 + "short"}, "WEB__TOKEN has 5 characters"),
        ({"WEB__TOKEN": "señor-de-los-tokens"}, "no header can carry"),
        ({"WEB__TOKEN": "a token with spaces"}, "no header can carry"),
        ({"WEB__TOKEN": TOKEN, "WEB__VIEW_TOKEN": TOKEN}, "are the same"),
        ({"WEB__PROXY_PEERS": "10.0.0.1/8"}, "WEB__PROXY_PEERS: 10.0.0.1/8 has host bits set"),
        ({"WEB__PROXY_PEERS": "proxy"}, "WEB__PROXY_PEERS: 'proxy' does not appear"),
        ({"WEB__PROXY_HEADER": "X User"}, "WEB__PROXY_HEADER 'X User'"),
        ({"WEB__PROXY_HEADER": "Cookie"}, "WEB__PROXY_HEADER 'Cookie'"),
        ({"WEB__PROXY_HEADER": "X-User", "WEB__PROXY_PEERS": ","}, "WEB__PROXY_PEERS is empty"),
        ({"WEB__USERS": f"ada:view:{HASH} ada:operate:{HASH}"}, "user ada is there twice"),
        ({"WEB__USERS": "ada:view:$argon2id$x"}, "NAME:ROLE:HASH"),
    ],
)
def test_setting_that_lets_in_anybody_or_nobody_is_refused(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], reason: str
) -> None:
    """In one line, which shows no secret."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        login_settings(load(Settings))
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_secret_is_made_once_and_nobody_else_reads_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A restart logs nobody out."""
    monkeypatch.setenv("PIPELINE_HOME", str(tmp_path / "home"))
    secret = web_secret(load(Settings))

    assert len(secret) > 40
    assert web_secret(load(Settings)) == secret
    assert (tmp_path / "home" / "web-secret").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in (tmp_path / "home").iterdir()] == ["web-secret"]


def test_secret_is_one_for_all_that_make_it_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Servers that start together on one folder sign with the same."""
    monkeypatch.setenv("PIPELINE_HOME", str(tmp_path))
    settings = load(Settings)
    with ThreadPoolExecutor(16) as threads:
        made = list(threads.map(lambda _: web_secret(settings), range(64)))
    assert len(set(made)) == 1


@pytest.mark.parametrize("died_in", ["write", "flush", "fsync", "link"])
def test_secret_is_whole_or_not_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, died_in: str
) -> None:
    """A process that dies at any step leaves nothing that would be taken for it."""
    monkeypatch.setenv("PIPELINE_HOME", str(tmp_path))
    program = f"""
import io, os, tempfile
from runner.configuration import Settings, load
from runner.configuration.login import web_secret

def die(*_):
    os._exit(9)

match {died_in!r}:
    case "write" | "flush" as step:
        real = tempfile.NamedTemporaryFile
        def dying(*args, **options):
            draft = real(*args, **options)
            setattr(draft, step, die)
            return draft
        tempfile.NamedTemporaryFile = dying
    case step:
        setattr(os, step, die)
web_secret(load(Settings))
"""
    ended = subprocess.run([sys.executable, "-c", program], check=False)
    assert ended.returncode == 9
    assert not (tmp_path / "web-secret").exists()
    assert len(web_secret(load(Settings))) > 40


@pytest.mark.parametrize("found", ["", "short", "\n" * 50, "a" * 50, "é" * 40])
def test_secret_that_can_be_guessed_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, found: str
) -> None:
    """Whether it was left by a crash or set."""
    monkeypatch.setenv("PIPELINE_HOME", str(tmp_path))
    (tmp_path / "web-secret").write_text(found, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="web-secret"):
        web_secret(load(Settings))
    monkeypatch.setenv("WEB__SECRET", found.strip() or "x")
    with pytest.raises(ConfigurationError, match="WEB__SECRET has"):
        web_secret(load(Settings))
    monkeypatch.setenv("WEB__SECRET", "0123456789abcdef" * 2)
    assert web_secret(load(Settings)) == "0123456789abcdef" * 2
