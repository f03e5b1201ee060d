"""Jinja2 templates of the pages; all values are escaped."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import jinja2

if TYPE_CHECKING:
    from jinja2 import Template


def template(name: str) -> Template:
    """Return the template *name*; it HTML-escapes its values."""
    return _environment().get_template(name)


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("jobs.charts", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
