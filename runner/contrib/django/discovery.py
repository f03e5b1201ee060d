"""The tasks and jobs of a Django project: those in the modules `tasks` and `jobs` of its apps."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from typing import TYPE_CHECKING, Any, NamedTuple

from django.apps import apps
from django.utils.module_loading import module_has_submodule

from runner.contrib.django.task import PipelineTask
from runner.decorator import Job

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

APP = "runner.contrib.django"
_MODULES = ("tasks", "jobs")


class Found(NamedTuple):
    """What a worker of this project knows: tasks by the names of their jobs, and plain jobs."""

    tasks: dict[str, PipelineTask]
    jobs: list[Job[Any, Any]]


def import_modules() -> None:
    """Import the modules in which tasks and jobs are found."""
    for _ in _modules():
        pass


@functools.cache
def found() -> Found:
    """Return the tasks and jobs that the modules of installed apps make or import."""
    tasks: dict[str, PipelineTask] = {}
    jobs: dict[int, Job[Any, Any]] = {}
    for module in _modules():
        for value in vars(module).values():
            if isinstance(value, PipelineTask):
                tasks.setdefault(value.module_path, value)
            elif isinstance(value, Job):
                jobs[id(value)] = value
    return Found(tasks, list(jobs.values()))


def _modules() -> Iterator[ModuleType]:
    for app in apps.get_app_configs():
        for name in _MODULES:
            if app.module is not None and module_has_submodule(app.module, name):
                yield from _with_inner(f"{app.name}.{name}")


def _with_inner(name: str) -> Iterator[ModuleType]:
    module = importlib.import_module(name)
    yield module
    for inner in pkgutil.iter_modules(getattr(module, "__path__", ()), f"{name}."):
        yield from _with_inner(inner.name)
