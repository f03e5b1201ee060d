"""Objects that are named as `module:name`, and what is wrong with a name or with its module."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

_TARGET = re.compile(r"(?P<module>[^\W\d]\w*(\.[^\W\d]\w*)*):(?P<name>[^\W\d]\w*(\.[^\W\d]\w*)*)")
_HERE = Path(__file__).parent


def load(target: str, where: str, folder: Path | None = None) -> Any:
    """
    Return what *target*, as `module:name`, names.

    where: who names it, for the message of an error. folder: where its module is looked for first.

    Raises:
        AppError: It is no such name, there is no such module, or its import fails.
    """
    parts = _TARGET.fullmatch(target)
    if parts is None:
        raise _error(f"{where}: write MODULE:NAME, such as shop.background:app")
    found: Any = load_module(parts["module"], where, folder)
    for name in parts["name"].split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise _error(f"{where}: {parts['module']} has no {parts['name']}") from None
    return found


def load_module(name: str, where: str, folder: Path | None = None) -> ModuleType:
    """
    Import the module *name*, which is looked for in *folder* first.

    Raises:
        AppError: There is none, or its import fails: says in which file and line.
        ModuleNotFoundError: It needs an extra of ours that is not installed.
    """
    if folder is not None and str(folder) not in sys.path[:1]:
        sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if isinstance(error, ModuleNotFoundError):
            missing = error.name or ""
            if name == missing or name.startswith(f"{missing}."):
                looked = "" if folder is None else f" in {folder}, nor among what is installed"
                raise _error(f"{where}: there is no module {missing}{looked}") from None
            from runner.extras import lacking

            if lacking("", error) is not None and (folder is None or _raised_here(error)):
                raise
        raise _error(f"{where}: {_place(error, folder)}: {_reason(error)}") from error


def _error(problem: str) -> Exception:
    # Errors know those of arq, whose import takes longer than all that is done here.
    from runner.errors import AppError

    return AppError(problem)


def _raised_here(error: BaseException) -> bool:
    """Whether it is the runner that lacks a module; an application's own imports are its own."""
    import traceback

    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    while frame.f_code.co_filename.startswith("<frozen ") and frame.f_back is not None:
        frame = frame.f_back
    return Path(frame.f_code.co_filename).is_relative_to(_HERE)


def _reason(error: BaseException) -> str:
    from runner.errors import RunnerError

    if isinstance(error, RunnerError):
        return str(error)
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}"
    return f"{type(error).__name__}: {error}"


def _place(error: BaseException, folder: Path | None) -> str:
    """The file and line of the application's code in which the import failed."""
    import traceback

    if isinstance(error, SyntaxError) and error.filename:
        return f"{_shown(error.filename, folder)}, line {error.lineno}"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<frozen ")
    ]
    of_app = [one for one in frames if folder and Path(one.filename).is_relative_to(folder)]
    of_others = [one for one in frames if not Path(one.filename).is_relative_to(_HERE)]
    *_, last = of_app or of_others or frames
    return f"{_shown(last.filename, folder)}, line {last.lineno}"


def _shown(file: str, folder: Path | None) -> str:
    path = Path(file)
    if folder is not None and path.is_relative_to(folder):
        return str(path.relative_to(folder))
    return file
