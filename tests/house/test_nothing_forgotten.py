"""A part that was written and not put into its place does nothing: here that fails."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import TYPE_CHECKING

import click

import jobs.charts
import jobs.commands
import runner.commands
import runner.middleware
import runner.web.pages
from jobs.charts.build import CHARTS
from runner.program import cli
from runner.web import app
from runner.worker import instruments

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(found.name)


def test_every_middleware_is_in_the_stack() -> None:
    """Each file of `runner/middleware` has its place in the order of `instruments.py`."""
    used = {getattr(part, "__module__", "") for part in vars(instruments).values()}
    assert {module.__name__ for module in _modules(runner.middleware)} - used == set()


def test_every_chart_is_drawn() -> None:
    """Each file of `jobs/charts` that draws one by its own name is in the list of `build.py`."""
    drawing = {
        function
        for module in _modules(jobs.charts)
        if inspect.isfunction(function := getattr(module, module.__name__.rpartition(".")[2], None))
        and list(inspect.signature(function).parameters) == ["data", "analysis"]
    }
    assert drawing
    assert drawing - set(CHARTS) == set()


def test_every_command_can_be_typed() -> None:
    """Each command of `runner/commands` and `jobs/commands` is `pipeline`'s or a group's."""
    typed: set[click.Command] = set()
    waiting: list[click.Command] = [cli]
    while waiting:
        command = waiting.pop()
        typed.add(command)
        if isinstance(command, click.Group):
            context = click.Context(command)
            named = [command.get_command(context, one) for one in command.list_commands(context)]
            waiting += [one for one in named if one is not None]
    written = {
        part
        for package in (runner.commands, jobs.commands)
        for module in _modules(package)
        for part in vars(module).values()
        if isinstance(part, click.Command)
    }
    assert {command.name for command in written - typed} == set()


def test_every_file_of_pages_is_served() -> None:
    """Each file of `runner/web/pages` gives routes to the application."""
    used = {part for part in vars(app).values() if inspect.ismodule(part)}
    assert {module.__name__ for module in set(_modules(runner.web.pages)) - used} == set()
