"""docs/settings.md lists every setting and no other, each with its default and its meaning."""

from __future__ import annotations

import ast
import inspect
import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from runner.options import WorkerLimits, WorkerOptions
from settings.environment import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
_ROW = re.compile(r"^\| `([A-Z_]+)` \| ([^|]*) \|(?: (.*))? \|$", re.MULTILINE)


def test_settings_page_lists_every_setting_with_its_default() -> None:
    """A new, removed or changed setting fails here until the page is updated."""
    listed = {name: default.strip("`") for name, default, _ in _ROW.findall(PAGE.read_text())}

    assert listed == dict(settings_of(Settings.model_fields))


def test_settings_page_explains_the_runners_options_in_their_own_words() -> None:
    """The page explains a worker's option with the sentence beside its default."""
    meanings = {name: meaning for name, _, meaning in _ROW.findall(PAGE.read_text())}
    options = {f"RUNNER__{name.upper()}": text for name, text in _meanings_of(WorkerLimits)}
    options["SCHEDULED_POLL_INTERVAL_S"] = dict(_meanings_of(WorkerOptions))["poll_interval_s"]

    for name, meaning in options.items():
        assert meanings[name].startswith(meaning), name


def _meanings_of(options: type) -> Iterator[tuple[str, str]]:
    """Yield each option, and the first sentence of the string below it, as on the page."""
    body = ast.parse(inspect.getsource(options)).body[0]
    assert isinstance(body, ast.ClassDef)
    for line, below in pairwise(body.body):
        if isinstance(line, ast.AnnAssign):
            assert isinstance(line.target, ast.Name)
            assert isinstance(below, ast.Expr), f"{line.target.id} is not explained"
            text = inspect.cleandoc(ast.literal_eval(below.value))
            sentence = re.split(r"\.(?:\s|$)", text)[0]
            yield line.target.id, sentence[0].lower() + sentence[1:]


def settings_of(fields: dict[str, FieldInfo], group: str = "") -> Iterator[tuple[str, str]]:
    """Yield each variable, and its default as on the page."""
    for name, field in fields.items():
        variable = group + name.upper()
        if isinstance(field.default, BaseModel):
            yield from _values(field.default, f"{variable}__")
        else:
            yield variable, _shown(field.default)


def _values(model: BaseModel, group: str) -> Iterator[tuple[str, str]]:
    for name, value in model:
        if isinstance(value, BaseModel):
            yield from _values(value, f"{group}{name.upper()}__")
        else:
            yield f"{group}{name.upper()}", _shown(value)


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
