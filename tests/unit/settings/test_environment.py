"""The configuration: defaults, precedence, and errors with what to do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from runner.configuration import load, use_config_file
from runner.errors import SettingsError
from settings.environment import Settings, current
from settings.groups import QUEUE_NAMES

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A config file that sets something at each level."""
    path = tmp_path / "pipeline.toml"
    path.write_text(
        'log_format = "json"\n'
        "[queues.analytics]\nworker_count = 20\nmax_retries = 7\n"
        "[runner]\nlease_s = 60\n"
    )
    return path


def test_defaults_are_those_of_the_design() -> None:
    """With nothing set there are four queues with their numbers, and nothing is sent out."""
    settings = load(Settings)

    numbers = {
        name: (
            getattr(settings.queues, name).worker_count,
            getattr(settings.queues, name).max_retries,
        )
        for name in QUEUE_NAMES
    }
    assert numbers == {
        "default": (5, 3),
        "analytics": (10, 5),
        "recommendations": (3, 3),
        "notifications": (2, 2),
    }
    assert settings.scheduled_poll_interval_s == 15
    assert settings.redis_url is None
    assert settings.statsd is None
    assert settings.sentry_dsn is None


def test_home_holds_database_and_reports(tmp_path: Path) -> None:
    """The state directory is `.pipeline` in the current folder, and its paths are absolute."""
    settings = load(Settings)

    assert settings.home == tmp_path / ".pipeline"
    assert settings.reports_dir == tmp_path / ".pipeline" / "reports"
    assert settings.database == f"sqlite:///{tmp_path}/.pipeline/pipeline.db"


def test_database_of_an_odd_home_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A state directory with a space or a question mark in its name works."""
    from jobs.store.url import SqliteFile, parse_url

    monkeypatch.setenv("PIPELINE_HOME", str(tmp_path / "my state? 100%"))

    assert parse_url(load(Settings).database) == SqliteFile(
        tmp_path / "my state? 100%" / "pipeline.db"
    )


def test_file_sets_and_environment_wins(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable replaces one number of a group; the others stay as the file sets them."""
    monkeypatch.setenv("QUEUES__ANALYTICS__WORKER_COUNT", "2")

    settings = load(Settings, config)

    assert settings.queues.analytics.worker_count == 2
    assert settings.queues.analytics.max_retries == 7
    assert settings.queues.default.worker_count == 5
    assert settings.runner.lease_s == 60
    assert settings.log_format == "json"


def test_file_is_found_by_its_variable(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`PIPELINE_CONFIG` names a file, as `--config` does."""
    monkeypatch.setenv("PIPELINE_CONFIG", str(config))

    assert load(Settings).log_format == "json"


def test_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """`REDIS_URL=` in a compose file means no `REDIS_URL`."""
    monkeypatch.setenv("REDIS_URL", "")

    assert load(Settings).redis_url is None


def test_current_is_read_once(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process reads its configuration once, and again when a config file is named."""
    first = current()
    monkeypatch.setenv("LOG_FORMAT", "json")
    assert current() is first

    use_config_file(str(config))

    assert current().queues.analytics.worker_count == 20


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("colour = 1", "colour: there is no such setting; known are redis_url, redis_prefix"),
        ("[queues.slow]\nworker_count = 1", "queues.slow: there is no such setting; known are"),
        ("[queues.default]\nsize = 1", "queues.default.size: there is no such setting"),
        ('[queues.default]\nworker_count = "a"', "queues.default.worker_count is 'a': input"),
        ("[queues.default]\nworker_count = 0", "queues.default.worker_count is 0: input should"),
        ("[runner]\nlease_s = 1", "runner: heartbeat_s is 5 and lease_s 1; a lease must outlive"),
        ("redis_url", "is not TOML"),
        ('log_level = "loud"', "log_level is 'LOUD': input should be 'DEBUG'"),
    ],
)
def test_wrong_file_names_itself_and_the_key(tmp_path: Path, text: str, expected: str) -> None:
    """An error in a config file is one line: the file, the key, what to do."""
    path = tmp_path / "wrong.toml"
    path.write_text(text)

    with pytest.raises(SettingsError) as raised:
        load(Settings, path)

    message = str(raised.value)
    assert message.startswith(f"config file {path}: ")
    assert expected in message
    assert "\n" not in message


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    """A config file that is missing, or is a folder, is not ignored."""
    with pytest.raises(SettingsError, match=r"none\.toml: No such file or directory; correct"):
        load(Settings, tmp_path / "none.toml")
    with pytest.raises(SettingsError, match="Is a directory"):
        load(Settings, tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="the byte is a valid file name there only")
def test_file_in_another_encoding_is_an_error(tmp_path: Path) -> None:
    """A file that is not UTF-8 is named in the error, not half read."""
    path = tmp_path / "latin.toml"
    path.write_bytes(b'statsd_prefix = "\xe9"')

    with pytest.raises(SettingsError, match="is not UTF-8 text"):
        load(Settings, path)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("STATSD_PORT", "99999", "variable STATSD_PORT is '99999': input should be less"),
        ("QUEUES__DEFAULT__MAX_RETRIES", "x", "variable QUEUES__DEFAULT__MAX_RETRIES is 'x'"),
        ("QUEUES__SLOW__WORKER_COUNT", "1", "variables QUEUES__SLOW__…: there is no such"),
        ("RUNNER__HEARTBEAT_S", "29", "variables RUNNER__…: heartbeat_s is 29 and"),
        ("QUEUES", "x", "write each value in a variable of its own"),
    ],
)
def test_wrong_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    """An error in the environment names the variable."""
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError) as raised:
        load(Settings)

    assert expected in str(raised.value)


def test_wrong_variable_is_named_though_a_file_is_given(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable won over the file, so it is the one to correct."""
    monkeypatch.setenv("QUEUES__ANALYTICS__WORKER_COUNT", "none")

    with pytest.raises(SettingsError, match=r"^variable QUEUES__ANALYTICS__WORKER_COUNT is 'none'"):
        load(Settings, config)


@pytest.mark.parametrize(
    "name", ["redis_url", "database_url", "sentry_dsn", "error_webhook_url", "notify_webhook_url"]
)
def test_secrets_are_not_shown(tmp_path: Path, name: str) -> None:
    """URLs carry passwords: neither an error nor the representation shows one."""
    path = tmp_path / "secret.toml"
    path.write_text(f'{name} = ["hunter2"]')

    with pytest.raises(SettingsError) as raised:
        load(Settings, path)

    assert "hunter2" not in str(raised.value)
    path.write_text(f'{name} = "redis://:hunter2@host"')
    assert "hunter2" not in repr(load(Settings, path))


def test_secrets_are_files_named_like_variables(
    config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In any case of letters, with a line end, and as Kubernetes lays them out."""
    folder = tmp_path / "secrets"
    (folder / "..2026_01_31").mkdir(parents=True)
    (folder / "..data").symlink_to("..2026_01_31")
    (folder / "..data" / "REDIS_URL").write_text("redis://:from-a-secret@redis/0\n")
    (folder / "REDIS_URL").symlink_to("..data/REDIS_URL")
    (folder / "web__token").write_text("a token, from a secret")
    (folder / "of_something_else").write_text("x")
    (folder / "log_level").write_text("ERROR")
    config.write_text('log_level = "DEBUG"\n[web]\nport = 1234\n')
    monkeypatch.setenv("PIPELINE_SECRETS", str(folder))
    settings = load(Settings, config)
    assert settings.redis_url == "redis://:from-a-secret@redis/0"
    assert settings.web.token == "a token, from a secret"  # noqa: S105
    assert settings.web.port == 1234
    assert settings.log_level == "ERROR"
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere/0")
    assert load(Settings, config).redis_url == "redis://elsewhere/0"


def test_secret_that_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its file is, and what it holds is not; a folder that is not there is an error, too."""
    monkeypatch.setenv("PIPELINE_SECRETS", str(tmp_path))
    (tmp_path / "web__port").write_text("s3cret")
    with pytest.raises(SettingsError, match=f"^file {tmp_path}/web__port: ") as caught:
        load(Settings)
    assert "s3cret" not in str(caught.value)
    (tmp_path / "web__port").write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="PIPELINE_SECRETS: a secret cannot be read"):
        load(Settings)
    monkeypatch.setenv("PIPELINE_SECRETS", str(tmp_path / "none"))
    with pytest.raises(SettingsError, match="which is no folder"):
        load(Settings)
