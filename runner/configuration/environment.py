"""
The settings of every application, and the only code that reads them from the environment.

Every setting is an environment variable, and a key of the same name in lower case in a TOML file
named by `--config` or `PIPELINE_CONFIG`. The environment wins. A group is a table in the file and
two underscores in the environment:

    [runner]
    lease_s = 60                            # RUNNER__LEASE_S=60

A setting may also be a file of its own, named like its variable, in the folder PIPELINE_SECRETS: as
Docker, Kubernetes and systemd give secrets. It wins over the TOML file.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar, get_args

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NestedSecretsSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableValueError

from runner.broker.keys import prefix_problem
from runner.configuration.groups import Port, RunnerLimits, Web
from runner.errors import SettingsError
from runner.options import WorkerOptions

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails
    from pydantic_settings import PydanticBaseSettingsSource

CONFIG_VARIABLE = "PIPELINE_CONFIG"
SECRETS_VARIABLE = "PIPELINE_SECRETS"
_SECRET = Field(None, repr=False)


def _upper(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


LogLevel = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)
]


def _prefix(value: str) -> str:
    problem = prefix_problem("the prefix", value)
    if problem is not None:
        raise ValueError(problem.partition(": ")[2])
    return value


Prefix = Annotated[str, AfterValidator(_prefix)]


class Settings(BaseSettings):
    """
    The settings that every application has. docs/settings.md explains them.

    A subclass adds its own, and names in `state_files` what it keeps in the state directory.
    """

    state_files: ClassVar[frozenset[str]] = frozenset({"redis", "logs", "web-secret"})

    model_config = SettingsConfigDict(
        env_nested_delimiter="__",
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    redis_url: str | None = _SECRET
    redis_prefix: Prefix = ""
    redis_urls: dict[str, str] = Field({}, repr=False)
    pipeline_home: Path = Path(".pipeline")
    scheduled_poll_interval_s: float = Field(WorkerOptions.poll_interval_s, gt=0)
    log_format: Literal["console", "json"] = "console"
    log_level: LogLevel = "INFO"
    log_lines_per_job: int = Field(50, ge=0, le=1000)
    release: str = ""
    otel_exporter_otlp_endpoint: str | None = None
    otel_service_name: str = "pipeline"
    statsd_host: str | None = None
    statsd_port: Port = 8125
    statsd_prefix: str = ""
    secret_keys: str | None = _SECRET
    sentry_dsn: str | None = _SECRET
    error_webhook_url: str | None = _SECRET
    health_host: str = "127.0.0.1"
    health_port: Port | None = None
    runner: RunnerLimits = RunnerLimits()
    web: Web = Field(Web(), repr=False)

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
    def statsd(self) -> tuple[str, int] | None:
        """Where metrics go."""
        return (self.statsd_host, self.statsd_port) if self.statsd_host else None


S = TypeVar("S", bound=Settings)


def load(kind: type[S], config_file: str | Path | None = None, *, folder: Path | None = None) -> S:
    """
    Read the settings of *kind* from the environment and *config_file*, or `PIPELINE_CONFIG`.

    folder: where the state directory is, unless `PIPELINE_HOME` says; the current one if None.

    Raises:
        SettingsError: The file is missing or not TOML, a secret cannot be read, a key is unknown,
            or a value is wrong.
    """
    named = config_file or os.environ.get(CONFIG_VARIABLE)
    path = Path(named) if named else None
    values = {} if path is None else _read(path)
    if folder is not None:
        values.setdefault("pipeline_home", folder / Settings.model_fields["pipeline_home"].default)
    try:
        return kind(_secrets_dir=_secrets_folder(), **values)
    except ValidationError as error:
        raise SettingsError(_explain(kind, error.errors(include_url=False)[0], path)) from None
    except UnreadableValueError as error:
        raise SettingsError(f"{error}; write each value in a variable of its own") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{SECRETS_VARIABLE}: a secret cannot be read: {error}") from None


def current(kind: type[S], folder: Path | None = None) -> S:
    """The settings of this process, read once, after `use_config_file`; see `load`."""
    found = _read_once.get((kind, folder))
    if found is None:
        file = _config_file[-1] if _config_file else None
        found = _read_once[kind, folder] = load(kind, file, folder=folder)
    assert isinstance(found, kind)  # noqa: S101 -- it was made by it
    return found


def use_config_file(path: str | None) -> None:
    """Make `current` read *path*, which `--config` names, from now on."""
    _config_file[:] = [] if path is None else [path]
    _read_once.clear()


_config_file: list[str] = []
_read_once: dict[tuple[type[Settings], Path | None], Settings] = {}


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


def _explain(kind: type[Settings], error: ErrorDetails, path: Path | None) -> str:
    keys = [str(part) for part in error["loc"]]
    where = _place(keys, path)
    if error["type"] == "extra_forbidden":
        known = ", ".join(_known(kind, keys[:-1]))
        return f"{where}: there is no such setting; known are {known}"
    problem = error["msg"].removeprefix("Value error, ")
    shown = (
        "" if _is_secret(kind, keys) or isinstance(error["input"], dict) else f" {error['input']!r}"
    )
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


def _known(kind: type[Settings], group: list[str]) -> list[str]:
    model: Any = kind
    for key in group:
        if hasattr(model, "model_fields"):
            model = model.model_fields[key].annotation
        else:
            model = get_args(model)[1]  # a table of tables, named by the user
    return list(model.model_fields)


def _is_secret(kind: type[Settings], keys: list[str]) -> bool:
    field = kind.model_fields.get(keys[0])
    return field is not None and not field.repr
