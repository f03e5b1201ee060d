"""`pipeline new FOLDER`: a small project with a job, which runs at once."""

from __future__ import annotations

import keyword
import re
import sys
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Final

import click

from runner.commands.printing import echo

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILES: Final = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    ".gitignore": "gitignore",
    "$package/__init__.py": "package/__init__.py",
    "$package/jobs.py": "package/jobs.py",
    "$package/background.py": "package/background.py",
    "tests/test_jobs.py": "tests/test_jobs.py",
}
"""What is written, and by which template."""

_NAME: Final = re.compile(r"[A-Za-z]([A-Za-z0-9._-]*[A-Za-z0-9])?")


@click.command
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def new(folder: Path) -> None:
    """
    Write a small project into FOLDER: a job, its queue, an application, a test.

    FOLDER must be new or empty; its name becomes that of the package.

    Exit status: 0; 2 if FOLDER cannot be used.
    """
    from runner.distribution import distribution

    name = folder.resolve().name
    package = _package(name)
    _refuse_used(folder)
    values = {"name": name, "package": package, "distribution": distribution().name}
    for path in _write(folder, values):
        echo(str(path))
    echo()
    echo(f"In {folder}, run: pipeline up")


def _package(name: str) -> str:
    """
    Return the package's name for a folder of this *name*.

    Raises:
        click.UsageError: There is none, or it would hide an installed one.
    """
    package = re.sub(r"[-.]", "_", name).lower()
    if not _NAME.fullmatch(name) or keyword.iskeyword(package):
        raise click.UsageError(
            f"{name!r} gives no name for a Python package: begin with a letter, and use letters, "
            "digits, '-' and '_'"
        )
    if package == "tests" or package in sys.stdlib_module_names or find_spec(package) is not None:
        raise click.UsageError(
            f"a package {package!r} would stand in the way of one that is there: give the folder "
            "another name"
        )
    return package


def _refuse_used(folder: Path) -> None:
    """
    Let hidden files be, such as a `.venv`, but none that would be written.

    Raises:
        click.UsageError: There is something in the folder.
    """
    if not folder.exists():
        return
    in_it = sorted(one.name for one in folder.iterdir())
    used = [one for one in in_it if not one.startswith(".") or one in _FILES]
    if used:
        raise click.UsageError(f"{folder} is not empty: it has {used[0]}; name a new folder")


def _write(folder: Path, values: Mapping[str, str]) -> list[Path]:
    templates = files("runner.commands") / "project"
    written = []
    for name, template in _FILES.items():
        path = folder / Template(name).substitute(values)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = (templates / f"{template}.txt").read_text(encoding="utf-8")
        with path.open("x", encoding="utf-8") as file:
            file.write(Template(text).substitute(values))
        written.append(path)
    return written
