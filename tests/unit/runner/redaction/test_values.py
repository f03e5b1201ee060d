"""No secret leaves in a report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr
from pydantic_core import to_json

from runner.redaction import REDACTED, redacted


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "db_password",
        "dbPassword",
        "Passwd",
        "pwd",
        "token",
        "access_token",
        "accessToken",
        "api_key",
        "apikey",
        "API-Key",
        "X-Api-Key",
        "client_secret",
        "private_key",
        "Authorization",
        "auth",
        "cookie",
        "session_id",
        "credentials",
        "sentry_dsn",
        "pin",
        "DB_PASSWORT",
        "kennwort",
        "motDePasse",
        "contraseña",
        "senha_admin",
        "wachtwoord",
        "hasło",
        "lösenord",
        "Пароль",
        "密码",
        "パスワード",
    ],
)
def test_redacted_knows_names_that_sound_like_secrets(name: str) -> None:
    """Their values are hidden, at any depth."""
    assert redacted({name: "hunter2"}) == {name: REDACTED}
    assert redacted({"a": [{"b": {name: "hunter2"}}]}) == {"a": [{"b": {name: REDACTED}}]}


@pytest.mark.parametrize(
    "name",
    [
        *("channel_id", "key", "author", "pinned", "passed", "authority"),
        *("desenhar", "passive", "größe", "has_locale", "口座", "参加"),
    ],
)
def test_redacted_leaves_plain_names_alone(name: str) -> None:
    """A report needs its arguments."""
    assert redacted({name: "plain"}) == {name: "plain"}


def test_redacted_takes_further_names() -> None:
    """A job can name further secrets."""
    assert redacted({"email": "me@example.org", "page": 2}, {"email"}) == {
        "email": REDACTED,
        "page": 2,
    }


def test_redacted_takes_passwords_out_of_urls() -> None:
    """A database's address is shown, its user and password are not."""
    assert redacted({"url": "postgresql://me:hunter2@db/x"}) == {
        "url": f"postgresql://{REDACTED}@db/x"
    }


def test_redacted_looks_into_models_and_not_into_strangers() -> None:
    """A model shows its fields without secrets; the repr of any other object might show some."""

    class Login(BaseModel):
        user: str
        password: str
        key: SecretStr

    @dataclass
    class Stranger:
        hunter: str = "hunter2"

    login = Login.model_validate({"user": "me", "password": "hunter2", "key": "hunter2"})

    shown = redacted({"login": login, "x": Stranger()})

    assert shown == {
        "login": {"user": "me", "password": REDACTED, "key": "<SecretStr>"},
        "x": "<Stranger>",
    }


def test_redacted_bounds_what_is_sent() -> None:
    """Long texts, long lists and deep trees are cut, and marked as cut."""
    deep: dict[str, object] = {}
    for _ in range(50):
        deep = {"a": deep}

    shown = redacted({"text": "x" * 10**6, "list": list(range(10**4)), "deep": deep})

    assert shown["text"] == "x" * 500 + "…"
    assert shown["list"] == [*range(50), "…"]
    assert len(to_json(shown)) < 2000


def test_redacted_writes_times_as_text() -> None:
    """Dates and times are written in ISO form."""
    assert redacted({"at": datetime(2026, 1, 31, tzinfo=UTC)}) == {
        "at": "2026-01-31 00:00:00+00:00"
    }


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])  # by a busy machine
@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text() | st.binary() | st.dates(),
            lambda inner: st.lists(inner) | st.dictionaries(st.integers() | st.text(), inner),
            max_leaves=20,
        ),
    )
)
def test_redacted_is_json_whatever_it_is_given(arguments: dict[str, object]) -> None:
    """Every reporter can send it, and no value makes it fail."""
    to_json(redacted(arguments))
