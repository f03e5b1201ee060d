"""
The extras of the distribution: which one brings a module, and the command that installs it.

`pyproject.toml` is the one list; the installed metadata repeats it. Nothing here needs an extra.
"""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from runner.distribution import distribution
from runner.errors import MissingExtraError, RunnerError

if TYPE_CHECKING:
    from collections.abc import Iterator

_MODULES: Final = {
    "argon2-cffi": "argon2",
    "opentelemetry-exporter-otlp-proto-http": "opentelemetry",
    "opentelemetry-sdk": "opentelemetry",
    "vl-convert-python": "vl_convert",
}
"""Distributions whose module has another name than they have."""

_REQUIREMENT: Final = re.compile(r"(?P<name>[\w.-]+).*\bextra == ['\"](?P<extra>[\w-]+)['\"]")
_SEVERAL: Final = "all"
_BUILT_FROM_SOURCE: Final = ("statsd", _SEVERAL)


@contextmanager
def extra(name: str, what: str) -> Iterator[None]:
    """
    Import in the block what the extra *name* brings; *what* needs it, as in "a Sentry DSN".

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtraError(_lacking(what, name, error)) from None


@contextmanager
def in_one_line(what: str) -> Iterator[None]:
    """
    Import and configure *what* in the block: the command `arq` prints what is wrong as one line.

    That command prints errors of click so, and any other one with its traceback.

    Raises:
        MissingExtraError: An extra is not installed; elsewhere than in that command.
    """
    try:
        yield
    except (ModuleNotFoundError, RunnerError) as error:
        line = lacking(what, error) or str(error)
        if _in_command_of_arq():
            from click import ClickException

            raise ClickException(line) from None
        if isinstance(error, ModuleNotFoundError) and lacking(what, error):
            raise MissingExtraError(line) from None
        raise


def _in_command_of_arq() -> bool:
    click, command = sys.modules.get("click"), sys.modules.get("arq.cli")
    if click is None or command is None:
        return False
    context = click.get_current_context(silent=True)
    return context is not None and context.command is command.cli


def lacking(what: str, error: BaseException) -> str | None:
    """Say which extra *what* lacks, and how to install it, if that is why *error* was raised."""
    if isinstance(error, MissingExtraError):
        return f"{what}: {error}"
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return None
    module = error.name.partition(".")[0]
    found = modules().get(module, ())
    if not found or find_spec(module) is not None:
        return None
    return _lacking(what, found[0], error)


def modules() -> dict[str, tuple[str, ...]]:
    """Each module that an extra brings, with its extras by name."""
    found: dict[str, set[str]] = {}
    for line in distribution().metadata.get_all("Requires-Dist", ()):
        if (one := _REQUIREMENT.match(line)) and one["extra"] != _SEVERAL:
            found.setdefault(module_of(one["name"]), set()).add(one["extra"])
    return {module: tuple(sorted(names)) for module, names in found.items()}


def module_of(distribution: str) -> str:
    """Return what a distribution is imported as."""
    return _MODULES.get(distribution, distribution.replace("-", "_"))


def pip_command(name: str) -> str:
    """Return what installs the extra *name*."""
    wanted = f"'{distribution().name}[{name}]'"
    if name not in _BUILT_FROM_SOURCE:
        return f"pip install {wanted}"
    # Its cystatsd imports Cython while it is built, without declaring that it does.
    return f"pip install cython setuptools && pip install --no-build-isolation {wanted}"


def _lacking(what: str, name: str, error: ImportError) -> str:
    return f"{what} needs the extra {name} ({error}): {pip_command(name)}"
