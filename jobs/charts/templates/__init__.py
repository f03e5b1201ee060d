"""Jinja2 templates of the pages; all values are cleaned and escaped."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import jinja2

from jobs.channel.text import clean

if TYPE_CHECKING:
    from jinja2 import Template


def template(name: str) -> Template:
    """Return the template *name*; it HTML-escapes its values."""
    return _environment().get_template(name)


def _shown(value: object) -> object:
    """Text on its way into a page; what is markup was made by us, from text that is clean."""
    return clean(value) if type(value) is str else value


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("jobs.charts", "templates"),
        autoescape=True,
        finalize=_shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
