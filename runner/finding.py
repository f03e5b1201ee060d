"""
Which application a command serves.

`--app MODULE:NAME` wins over the variable `PIPELINE_APP`, and that over `app` in the table
`[tool.pipeline]` of the nearest `pyproject.toml`. Without any it is the one that this distribution
brings. What is named is imported from the current folder first, or that of the `pyproject.toml`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runner.app import App

APP_VARIABLE: Final = "PIPELINE_APP"
APP_OPTION: Final = "--app"
_PROJECT: Final = "pyproject.toml"
_BROUGHT: Final = "settings:app"


class Named(NamedTuple):
    """An application by its name: who names it, and where its module is looked for first."""

    target: str
    where: str
    folder: Path | None

    @property
    def is_brought(self) -> bool:
        """Whether nobody names one, so that it is the one that this distribution brings."""
        return self.folder is None


def named_app(words: Sequence[str], folder: Path) -> Named:
    """
    Return the application that a command with *words* serves in *folder*; nothing is imported.

    Raises:
        AppError: A `pyproject.toml` names it, and cannot be read or is somebody else's.
    """
    if (given := _option(words)) is not None:
        return Named(given, f"{APP_OPTION} {given}", folder)
    if given := os.environ.get(APP_VARIABLE):
        return Named(given, f"{APP_VARIABLE}={given}", folder)
    for place in (folder, *folder.parents):
        if (project := place / _PROJECT).is_file():
            return _of_project(project, folder) or _OWN
    return _OWN


_OWN: Final = Named(_BROUGHT, _BROUGHT, None)


def load_app(named: Named) -> App:
    """
    Import an application.

    Raises:
        AppError: It is not there, it is no `App`, or its import fails.
        ModuleNotFoundError: It needs an extra of ours that is not installed.
    """
    from runner.app import App
    from runner.loading import load

    found = load(named.target, named.where, named.folder)
    if not isinstance(found, App):
        from runner.errors import AppError

        raise AppError(f"{named.where}: it is {_kind(found)}, not a runner.App")
    found.folder = named.folder
    return found


def _option(words: Sequence[str]) -> str | None:
    """The value of `--app`, wherever it stands: a command of the application may come first."""
    for place, word in enumerate(words):
        if word == "--":
            return None
        if word.startswith(f"{APP_OPTION}="):
            return word.partition("=")[2]
        if word == APP_OPTION and place + 1 < len(words):
            return words[place + 1]
    return None


def _of_project(project: Path, folder: Path) -> Named | None:
    try:
        text = project.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    if "tool.pipeline" not in text:
        return None
    import tomllib

    from runner.errors import AppError

    remedy = f"correct it, or name the application by {APP_OPTION} or {APP_VARIABLE}"
    try:
        table = tomllib.loads(text).get("tool", {}).get("pipeline")
    except tomllib.TOMLDecodeError as error:
        raise AppError(f"{project}: it is not TOML: {error}; {remedy}") from None
    if table is None:
        return None
    given = table.get("app") if isinstance(table, dict) else None
    if not isinstance(given, str):
        raise AppError(f'{project}: [tool.pipeline] has no app = "MODULE:NAME"; {remedy}')
    if others := sorted(table.keys() - {"app"}):
        raise AppError(
            f"{project}: [tool.pipeline] has {', '.join(others)}, but only app is allowed; {remedy}"
        )
    if project.parent != folder and project.stat().st_uid not in {os.getuid(), 0}:
        # In a folder that all may write, such as /tmp, anybody could let us run his code.
        raise AppError(
            f"{project}: it belongs to another user, and so it is not followed; {remedy}"
        )
    return Named(given, f"{project}: app = {given}", project.parent)


def _kind(found: Any) -> str:
    name = type(found).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
