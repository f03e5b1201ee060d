"""docs/settings.md lists every setting, with its default, and no other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from settings.environment import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
_ROW = re.compile(r"^\| `([A-Z_]+)` \| ([^|]*) \|", re.MULTILINE)


def test_settings_page_lists_every_setting_with_its_default() -> None:
    """A setting that is new, gone or changed fails here until the page says so."""
    told = {name: default.strip().strip("`") for name, default in _ROW.findall(PAGE.read_text())}

    assert told == dict(settings_of(Settings.model_fields))


def settings_of(fields: dict[str, FieldInfo], group: str = "") -> Iterator[tuple[str, str]]:
    """Each variable, and its default as the page shows it."""
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
