"""
The configuration, and the only code that reads it from the environment.

Every setting is an environment variable, and a key of the same name in lower case in a TOML file
named by `--config` or `PIPELINE_CONFIG`. The environment wins. A group is a table in the file and
two underscores in the environment:

    [queues.analytics]
    worker_count = 20                       # QUEUES__ANALYTICS__WORKER_COUNT=20

A setting may also be a file of its own, named like its variable, in the folder PIPELINE_SECRETS: as
Docker, Kubernetes and systemd give secrets. It wins over the TOML file.
"""

from __future__ import annotations

import os
import tomllib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args
from urllib.parse import quote

from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, NestedSecretsSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableValueError

from runner.errors import ConfigurationError
from runner.options import WorkerOptions
from settings.groups import Notify, Port, Queues, RunnerLimits, Web

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails
    from pydantic_settings import PydanticBaseSettingsSource

CONFIG_VARIABLE = "PIPELINE_CONFIG"
SECRETS_VARIABLE = "PIPELINE_SECRETS"
_SECRET = Field(None, repr=False)


class SettingsError(ConfigurationError):
    """A setting is wrong. One line: which file or variable, what is wrong, what to do."""


def _upper(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


LogLevel = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)
]


class Settings(BaseSettings):
    """Every setting. docs/settings.md explains them."""

    model_config = SettingsConfigDict(
        env_nested_delimiter="__",
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    redis_url: str | None = _SECRET
    database_url: str | None = _SECRET
    pipeline_home: Path = Path(".pipeline")
    scheduled_poll_interval_s: float = Field(WorkerOptions.poll_interval_s, gt=0)
    log_format: Literal["console", "json"] = "console"
    log_level: LogLevel = "INFO"
    log_lines_per_job: int = Field(50, ge=0, le=1000)
    release: str = version("channel-pipeline")
    otel_exporter_otlp_endpoint: str | None = None
    otel_service_name: str = "pipeline"
    statsd_host: str | None = None
    statsd_port: Port = 8125
    statsd_prefix: str = ""
    secret_keys: str | None = _SECRET
    sentry_dsn: str | None = _SECRET
    error_webhook_url: str | None = _SECRET
    notify_webhook_url: str | None = _SECRET
    report_paper: Literal["a4", "letter"] = "a4"
    youtube_api_key: str | None = _SECRET
    youtube_api_url: str = "https://www.googleapis.com/youtube/v3"
    youtube_quota_per_day: int = Field(10_000, ge=0)
    allow_private_addresses: bool = False
    sync_every_minutes: int | None = Field(None, ge=1)
    sync_min_minutes: int = Field(60, ge=1)
    sync_max_minutes: int = Field(1440, ge=1)
    health_host: str = "127.0.0.1"
    health_port: Port | None = None
    notify: Notify = Field(Notify(), repr=False)
    queues: Queues = Queues()
    runner: RunnerLimits = RunnerLimits()
    web: Web = Field(Web(), repr=False)

    @model_validator(mode="after")
    def _shortest_interval_is_no_longer_than_the_longest(self) -> Self:
        if self.sync_min_minutes > self.sync_max_minutes:
            raise ValueError(
                f"sync_min_minutes is {self.sync_min_minutes} and sync_max_minutes "
                f"{self.sync_max_minutes}; the first may not be larger"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 -- pydantic's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment first, then files of secrets, then what `load` reads from the file."""
        return env_settings, NestedSecretsSettingsSource(file_secret_settings), init_settings

    @property
    def home(self) -> Path:
        """The state directory, absolute."""
        return self.pipeline_home.expanduser().absolute()

    @property
    def database(self) -> str:
        """The URL of the database in use."""
        return self.database_url or f"sqlite:///{quote(str(self.home / 'pipeline.db'))}"

    @property
    def reports_dir(self) -> Path:
        """Where reports and pictures are written."""
        return self.home / "reports"

    @property
    def sources_dir(self) -> Path:
        """Where large source files are cached for all workers, as columns."""
        return self.home / "sources"

    @property
    def rejects_dir(self) -> Path:
        """Where rows that could not be used are written."""
        return self.home / "rejects"

    @property
    def statsd(self) -> tuple[str, int] | None:
        """Where metrics go."""
        return (self.statsd_host, self.statsd_port) if self.statsd_host else None


def load(config_file: str | Path | None = None) -> Settings:
    """
    Read the configuration from the environment and *config_file*, or `PIPELINE_CONFIG`.

    Raises:
        SettingsError: The file is missing or not TOML, a secret cannot be read, a key is unknown,
            or a value is wrong.
    """
    named = config_file or os.environ.get(CONFIG_VARIABLE)
    path = Path(named) if named else None
    values = {} if path is None else _read(path)
    try:
        return Settings(_secrets_dir=_secrets_folder(), **values)
    except ValidationError as error:
        raise SettingsError(_explain(error.errors(include_url=False)[0], path)) from None
    except UnreadableValueError as error:
        raise SettingsError(f"{error}; write each value in a variable of its own") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{SECRETS_VARIABLE}: a secret cannot be read: {error}") from None


@cache
def current() -> Settings:
    """The configuration of this process, read once, after `use_config_file`."""
    return load(_config_file[-1] if _config_file else None)


def use_config_file(path: str | None) -> None:
    """Make `current` read *path*, which `--config` names, from now on."""
    _config_file[:] = [] if path is None else [path]
    current.cache_clear()


_config_file: list[str] = []


def _secrets_folder() -> Path | None:
    named = os.environ.get(SECRETS_VARIABLE)
    folder = Path(named) if named else None
    if folder is not None and not folder.is_dir():
        raise SettingsError(f"{SECRETS_VARIABLE} is {folder}, which is no folder: correct it")
    return folder


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            f"config file {path}: {error.strerror}; correct --config or {CONFIG_VARIABLE}"
        ) from None
    except UnicodeDecodeError:
        raise SettingsError(f"config file {path}: is not UTF-8 text; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"config file {path}: is not TOML: {error}; correct it there") from None


def _explain(error: ErrorDetails, path: Path | None) -> str:
    keys = [str(part) for part in error["loc"]]
    where = _place(keys, path)
    if error["type"] == "extra_forbidden":
        known = ", ".join(_known(keys[:-1]))
        return f"{where}: there is no such setting; known are {known}"
    problem = error["msg"].removeprefix("Value error, ")
    shown = "" if _is_secret(keys) or isinstance(error["input"], dict) else f" {error['input']!r}"
    return f"{where}{' is' if shown else ''}{shown}: {problem[:1].lower()}{problem[1:]}; correct it"


def _place(keys: list[str], path: Path | None) -> str:
    """The variable, if it is set: it wins over the file."""
    variable = "__".join(keys).upper()
    names = [name.upper() for name in os.environ]
    if variable in names:
        return f"variable {variable}"
    for file in folder.iterdir() if (folder := _secrets_folder()) else ():
        if file.name.upper() == variable:
            return f"file {file}"
    if path is None or any(name.startswith(f"{variable}__") for name in names):
        return f"variables {variable}__…"
    return f"config file {path}: {'.'.join(keys)}"


def _known(group: list[str]) -> list[str]:
    model: Any = Settings
    for key in group:
        if hasattr(model, "model_fields"):
            model = model.model_fields[key].annotation
        else:
            model = get_args(model)[1]  # a table of tables, named by the user
    return list(model.model_fields)


def _is_secret(keys: list[str]) -> bool:
    field = Settings.model_fields.get(keys[0])
    return field is not None and not field.repr
